import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the examples in docs/clients/java.md. */
class PageTest {
  @Test
  void theExampleOfThePage(@TempDir Path folder) throws Exception {
    String page = Files.readString(Path.of("../../../docs/clients/java.md"));
    Path program = folder.resolve("Example.java");
    Files.writeString(program, page.split("```java\n")[1].split("```")[0]);
    try (Server server = new Server()) {
      String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
      var builder = new ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), program.toString());
      builder.environment().put("DATABRICKS_HOST", server.host);
      builder.environment().put("DATABRICKS_TOKEN", Server.ADMIN_TOKEN);
      Process process = builder.redirectErrorStream(true).start();
      String printed = new String(process.getInputStream().readAllBytes());
      assertEquals(0, process.waitFor(), printed);
      assertTrue(printed.contains(Server.ADMIN + "\nInvalid access token."), printed);
    }
  }
}
