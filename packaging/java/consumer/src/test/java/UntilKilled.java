import io.github.dapimock.DapiMock;
import io.github.dapimock.Server;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Writes its own and the server's process id to a file, and waits to be killed. Surefire runs it only by name. */
@DapiMock
class UntilKilled {
  @Test
  void waits(Server server) throws Exception {
    Path part = Path.of("target", "pids.part");
    Files.writeString(part, ProcessHandle.current().pid() + " " + server.pid() + "\n");
    Files.move(part, Path.of("target", "pids"));
    TimeUnit.MINUTES.sleep(2);
  }
}
