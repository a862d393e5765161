package io.github.dapimock;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * A dapi-mock server: one that this process starts, on a free port and in memory unless options say otherwise, or one
 * that is already running. A started server stops when this process ends, even if the process is killed.
 */
public final class Server implements AutoCloseable {
  private static final long START_SECONDS = 60;
  private static final long STOP_SECONDS = 10;
  private static final int MAX_COMPLAINTS = 100;

  private final Control control;
  private final Process process;
  private final JsonNode ready;

  private Server(Control control, Process process, JsonNode ready) {
    this.control = control;
    this.process = process;
    this.ready = ready;
  }

  /** Uses the server at a URL; the key is null if its control API is open. */
  public static Server at(String url, String controlKey) {
    return new Server(new Control(url, controlKey), null, Control.JSON.createObjectNode());
  }

  /** Starts a server with options of {@code dapi-mock serve} and waits until it is ready. */
  public static Server start(String... options) {
    return start(null, options);
  }

  /** Starts a server that appends its log to a file. */
  public static Server start(Path log, String... options) {
    Path folder = null;
    try {
      folder = Files.createTempDirectory("dapi-mock");
      return start(folder.resolve("ready.json"), log, options);
    } catch (IOException error) {
      throw new StartFailedException("could not start dapi-mock: " + error.getMessage(), error);
    } finally {
      if (folder != null) {
        folder.resolve("ready.json").toFile().delete();
        folder.toFile().delete();
      }
    }
  }

  private static Server start(Path readyFile, Path log, String... options) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Binary.find().toString());
    Collections.addAll(command, "serve", "--profile", "test", "--port", "0", "--until-stdin-closes");
    Collections.addAll(command, "--ready-file", readyFile.toString());
    Collections.addAll(command, options);
    ProcessBuilder builder = new ProcessBuilder(command);
    // Keeps settings away that the developer's shell exports for other servers.
    builder.environment().keySet().removeIf(name -> name.startsWith("DAPI_MOCK_") || name.equals("PORT"));
    if (log != null) {
      builder.redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()));
    }
    Process process = builder.start();
    CompletableFuture<Boolean> isReady = new CompletableFuture<>();
    List<String> complaints = Collections.synchronizedList(new ArrayList<>());
    // Reads both streams to the end, so that no pipe fills up.
    Thread complaining =
        read(
            process.getErrorStream(),
            line -> {
              if (complaints.size() < MAX_COMPLAINTS) {
                complaints.add(line);
              }
            },
            () -> {});
    read(
        process.getInputStream(),
        line -> {
          if (line.startsWith("dapi-mock ready ")) {
            isReady.complete(true);
          }
        },
        () -> isReady.complete(false));
    try {
      if (isReady.get(START_SECONDS, TimeUnit.SECONDS)) {
        JsonNode ready = Control.JSON.readTree(readyFile.toFile());
        return new Server(new Control(ready.path("host").asText(), null), process, ready);
      }
      stop(process);
      complaining.join(TimeUnit.SECONDS.toMillis(STOP_SECONDS));
      String said = log == null ? String.join("\n", complaints) : "see " + log;
      throw new StartFailedException("dapi-mock exited with " + process.exitValue() + ": " + said, null);
    } catch (TimeoutException | ExecutionException | IOException error) {
      stop(process);
      throw new StartFailedException("dapi-mock was not ready after " + START_SECONDS + " s", error);
    } catch (InterruptedException error) {
      stop(process);
      Thread.currentThread().interrupt();
      throw new StartFailedException("interrupted while dapi-mock was starting", error);
    }
  }

  private static Thread read(InputStream stream, Consumer<String> line, Runnable atEnd) {
    Thread thread =
        new Thread(
            () -> {
              try (BufferedReader lines = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                lines.lines().forEach(line);
              } catch (IOException | UncheckedIOException error) {
                // The server has exited and closed its end of the pipe.
              } finally {
                atEnd.run();
              }
            },
            "dapi-mock output");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static void stop(Process process) {
    try {
      // The server shuts down gracefully when its standard input ends.
      process.getOutputStream().close();
    } catch (IOException error) {
      process.destroy();
    }
    try {
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor(STOP_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException error) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }

  /** Stops the server, if this process started it. */
  @Override
  public void close() {
    if (process != null) {
      stop(process);
    }
  }

  /** The server's URL, such as {@code http://127.0.0.1:3274}. */
  public String url() {
    return control.url;
  }

  /** The server's process id; -1 if this process did not start it. */
  public long pid() {
    return process == null ? -1 : process.pid();
  }

  /** The default workspace's admin token; null if it is not known. */
  public String adminToken() {
    return ready.path("token").asText(null);
  }

  /** The client id of the admin service principal; null if it is not known. */
  public String clientId() {
    return ready.path("client_id").asText(null);
  }

  /** The client secret of the admin service principal; null if it is not known. */
  public String clientSecret() {
    return ready.path("client_secret").asText(null);
  }

  /** Creates an isolated workspace in its own account. */
  public Workspace createWorkspace() {
    return createWorkspace(Map.of());
  }

  /**
   * Creates an isolated workspace in its own account. Options are those of the control API, such as {@code
   * Map.of("template", "leaky", "ttl", "1h", "port", 0)}.
   */
  public Workspace createWorkspace(Map<String, ?> options) {
    return new Workspace(control, control.call("POST", "/workspaces", options, Map.of()));
  }

  /** Returns the workspace that the first start created. */
  public Workspace defaultWorkspace() {
    ObjectNode workspace = (ObjectNode) control.get("/workspaces/default", Map.of());
    workspace.put("host", url());
    workspace.put("admin_token", adminToken()).put("client_id", clientId()).put("client_secret", clientSecret());
    ObjectNode env = workspace.putObject("env");
    env.put("DATABRICKS_HOST", url()).put("DATABRICKS_WORKSPACE_ID", workspace.path("id").asText());
    if (adminToken() != null) {
      env.put("DATABRICKS_TOKEN", adminToken());
    }
    return new Workspace(control, workspace);
  }

  /** Returns the suspected real credentials that were sent here: kind, client, count, first and last time. */
  public JsonNode suspectedCredentials() {
    return control.get("/tripwire", Map.of()).path("strangers");
  }
}
