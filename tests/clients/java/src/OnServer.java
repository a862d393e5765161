import com.databricks.sdk.WorkspaceClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Gives each test its own server and a client of its admin. */
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
