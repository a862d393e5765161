import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.databricks.sdk.core.DatabricksException;
import com.databricks.sdk.core.error.platform.BadRequest;
import com.databricks.sdk.core.error.platform.InternalError;
import com.databricks.sdk.service.settings.CreateTokenRequest;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class FaultsTest extends OnServer {
  /** Arms a fault and returns a function that tells how often it was seen and fired. */
  private Supplier<List<Integer>> arm(String rule) throws Exception {
    String id = server.own("POST", "/faults", rule).get("id").asText();
    return () -> {
      try {
        var fault = server.own("GET", "/faults/" + id, "");
        return List.of(fault.get("seen").asInt(), fault.get("fired").asInt());
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    };
  }

  private void create(String comment) {
    w.tokens().create(new CreateTokenRequest().setComment(comment));
  }

  @Test
  void whatIsRetriedAndWhatIsNot() throws Exception {
    for (String name : List.of("rate_limited", "temporarily_unavailable")) {
      var counts = arm("{\"name\": \"" + name + "\"}");
      create("after " + name);
      assertEquals(List.of(2, 1), counts.get(), name);
    }
    assertEquals(List.of("after rate_limited", "after temporarily_unavailable"), TokensTest.comments(w));

    var counts = arm("{\"effect\": {\"status\": 500, \"error_code\": \"INTERNAL_ERROR\", \"message\": \"No.\"}}");
    Server.refused(InternalError.class, "INTERNAL_ERROR", "No.", () -> create("never"));
    assertEquals(List.of(1, 1), counts.get());
    arm("{\"name\": \"quota_exceeded\"}");
    Server.refused(BadRequest.class, "QUOTA_EXCEEDED", "600", () -> create("never"));
  }

  @Test
  void theSdkGivesUpAfterFourAttempts() throws Exception {
    var counts = arm("{\"name\": \"temporarily_unavailable\", \"times\": null}");
    var refusal = assertThrows(DatabricksException.class, () -> create("never"));
    assertTrue(refusal.getMessage().contains("after 4 retries"), refusal.getMessage());
    assertEquals(List.of(4, 4), counts.get());
  }

  @Test
  void aLoginPageInsteadOfJson() throws Exception {
    arm("{\"name\": \"login_html_page\"}");
    assertThrows(DatabricksException.class, () -> Server.me(w));
    Server.me(w);
  }
}
