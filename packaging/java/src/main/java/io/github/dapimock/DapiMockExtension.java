package io.github.dapimock;

import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.AnnotatedElement;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.platform.commons.support.AnnotationSupport;
import org.opentest4j.TestAbortedException;

/**
 * Implements {@link DapiMock}: keeps one server for the JVM in the root store, and one workspace for each test in the
 * test's store, created when a parameter first needs it.
 */
public final class DapiMockExtension implements BeforeEachCallback, AfterEachCallback, ParameterResolver {
  private static final Namespace NAMESPACE = Namespace.create(DapiMockExtension.class);
  private static final String SDK = "com.databricks.sdk.";
  // Names instead of classes, because the SDK is optional.
  private static final Set<String> SDK_TYPES =
      Set.of(SDK + "core.DatabricksConfig", SDK + "WorkspaceClient", SDK + "AccountClient");

  // A killed run leaves its workspace on a shared server, which deletes it after this time.
  private static final String TIME_TO_LIVE = "6h";
  private static final int MAX_REFUSALS = 10;

  @Override
  public void beforeEach(ExtensionContext context) {
    context.getStore(NAMESPACE).put("suspects", suspectCount(server(context)));
  }

  @Override
  public void afterEach(ExtensionContext context) {
    Workspace workspace = context.getStore(NAMESPACE).get(Workspace.class, Workspace.class);
    Throwable failure = context.getExecutionException().orElse(null);
    if (workspace != null) {
      if (failure != null && !(failure instanceof TestAbortedException)) {
        report(context, failure, refusals(workspace));
      }
      delete(workspace);
    }
    Server server = server(context);
    if (suspectCount(server) > context.getStore(NAMESPACE).getOrDefault("suspects", Integer.class, 0)) {
      throw new AssertionError(suspects(server));
    }
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return type == Server.class || type == Workspace.class || SDK_TYPES.contains(type.getName());
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    if (type == Server.class) {
      return server(context);
    }
    if (context.getTestMethod().isEmpty()) {
      throw new ParameterResolutionException(
          "each test has its own workspace: take " + type.getSimpleName() + " in a method of the test or in @BeforeEach");
    }
    Workspace workspace =
        context
            .getStore(NAMESPACE)
            .getOrComputeIfAbsent(Workspace.class, key -> create(server(context), context), Workspace.class);
    switch (type.getSimpleName()) {
      case "DatabricksConfig":
        return SdkClients.config(workspace);
      case "WorkspaceClient":
        return SdkClients.workspaceClient(workspace);
      case "AccountClient":
        return SdkClients.accountClient(workspace);
      default:
        return workspace;
    }
  }

  private static Server server(ExtensionContext context) {
    return context
        .getRoot()
        .getStore(NAMESPACE)
        .getOrComputeIfAbsent(Server.class, key -> new Running(start(context)), Running.class)
        .server;
  }

  private static Server start(ExtensionContext context) {
    String url = context.getConfigurationParameter("dapi-mock.url").orElse(null);
    if (url != null) {
      return Server.at(url, System.getenv("DAPI_MOCK_CONTROL_KEY"));
    }
    return Server.start(context.getConfigurationParameter("dapi-mock.log").map(Path::of).orElse(null));
  }

  /** JUnit closes this at the end of the run: before 5.13 through the one type, since then through the other. */
  private static final class Running implements ExtensionContext.Store.CloseableResource, AutoCloseable {
    private final Server server;

    Running(Server server) {
      this.server = server;
    }

    @Override
    public void close() {
      server.close();
    }
  }

  private static Workspace create(Server server, ExtensionContext context) {
    Map<String, Object> options = new LinkedHashMap<>();
    options.put("ttl", TIME_TO_LIVE);
    Map<String, String> conf = new LinkedHashMap<>();
    // From the outermost to the innermost, which takes precedence.
    for (DapiMock annotation : annotations(context)) {
      // A template and a seed are alternatives, so an inner one also replaces the outer other.
      if (!annotation.template().isEmpty() || !annotation.seed().isEmpty()) {
        options.remove("template");
        options.remove("seed");
      }
      if (!annotation.template().isEmpty()) {
        options.put("template", annotation.template());
      }
      if (!annotation.seed().isEmpty()) {
        options.put("seed", Control.read(annotation.seed()));
      }
      if (!annotation.tier().isEmpty()) {
        options.put("behaviour", Map.of("tier", annotation.tier()));
      }
      if (annotation.conf().length > 0) {
        conf.clear();
      }
      for (String setting : annotation.conf()) {
        int equals = setting.indexOf('=');
        if (equals < 1) {
          throw new ExtensionConfigurationException("@DapiMock: invalid conf '" + setting + "': expected KEY=VALUE");
        }
        conf.put(setting.substring(0, equals).strip(), setting.substring(equals + 1).strip());
      }
    }
    Workspace workspace = server.createWorkspace(options);
    if (!conf.isEmpty()) {
      workspace.configure(conf);
    }
    return workspace;
  }

  private static List<DapiMock> annotations(ExtensionContext context) {
    List<AnnotatedElement> elements = new ArrayList<>();
    context.getTestMethod().ifPresent(elements::add);
    for (Class<?> type = context.getRequiredTestClass(); type != null; type = type.getEnclosingClass()) {
      elements.add(type);
    }
    List<DapiMock> found = new ArrayList<>();
    for (AnnotatedElement element : elements) {
      AnnotationSupport.findAnnotation(element, DapiMock.class).ifPresent(annotation -> found.add(0, annotation));
    }
    return found;
  }

  private static void delete(Workspace workspace) {
    try {
      workspace.delete();
    } catch (ControlException error) {
      // The test may have deleted it.
      if (error.status() != 404) {
        throw error;
      }
    }
  }

  /** Reports as an entry of the test and below the failure, where IDEs, Maven and Gradle show it. */
  private static void report(ExtensionContext context, Throwable failure, String refusals) {
    if (!refusals.isEmpty()) {
      context.publishReportEntry("dapi-mock: what was refused, and why", refusals);
      failure.addSuppressed(new Refusals(refusals));
    }
  }

  private static String refusals(Workspace workspace) {
    StringJoiner text = new StringJoiner("\n");
    try {
      for (JsonNode refusal : workspace.requests().list(Map.of("refused", true, "limit", MAX_REFUSALS))) {
        text.add(refusal(workspace, refusal));
      }
    } catch (ControlException | ServerUnreachableException error) {
      // The test may have deleted the workspace or stopped the server.
    }
    return text.toString();
  }

  private static String refusal(Workspace workspace, JsonNode refusal) {
    String caller = refusal.path("principal").asText("").isEmpty() ? "" : " by " + refusal.path("principal").asText();
    String because = refusal.path("because").asText("");
    String remedy = "";
    try {
      JsonNode explanation = workspace.explain(refusal.path("request_id").asText());
      because = explanation.path("because").asText(because);
      remedy = explanation.path("remedy").asText("");
    } catch (ControlException error) {
      // The journal may no longer have the request.
    }
    return refusal.path("method").asText()
        + " "
        + refusal.path("path").asText()
        + " answered "
        + refusal.path("status").asText()
        + caller
        + (because.isEmpty() ? "" : "\n    because " + because)
        + (remedy.isEmpty() ? "" : "\n    remedy: " + remedy);
  }

  private static int suspectCount(Server server) {
    int count = 0;
    try {
      for (JsonNode suspect : server.suspectedCredentials()) {
        count += suspect.path("count").asInt();
      }
    } catch (ControlException | ServerUnreachableException error) {
      // The test may have stopped the server.
    }
    return count;
  }

  private static String suspects(Server server) {
    StringJoiner text = new StringJoiner("\n");
    text.add(
        "A credential that looks like a real one was sent to dapi-mock. It was not stored; revoke it if it is real.");
    for (JsonNode suspect : server.suspectedCredentials()) {
      text.add(
          "  " + suspect.path("kind").asText() + " by " + suspect.path("client").asText() + ", last at "
              + suspect.path("last").asText());
    }
    return text.toString();
  }

  /** What the mock refused during a failed test; shown below the failure. */
  private static final class Refusals extends RuntimeException {
    private static final long serialVersionUID = 1;

    Refusals(String refusals) {
      // No stack trace: it would say nothing about the test.
      super("what dapi-mock refused during this test, and why:\n" + refusals, null, false, false);
    }
  }
}
