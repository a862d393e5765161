import com.databricks.sdk.WorkspaceClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What tests share: a server of their own, and its administrator. */
abstract class OnServer {
  Server server;
  WorkspaceClient w;

  @BeforeEach
  void start() throws Exception {
    server = new Server();
    w = server.with(Server.ADMIN_TOKEN);
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
  }
}
