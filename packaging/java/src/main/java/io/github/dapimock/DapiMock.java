package io.github.dapimock;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Gives each test its own workspace on a dapi-mock server, which this JVM starts once.
 *
 * <p>Test methods and {@code @BeforeEach} and {@code @AfterEach} methods may have parameters of these types: {@link
 * Workspace}, {@link Server}, and, with the Databricks SDK, {@code DatabricksConfig}, {@code WorkspaceClient} and
 * {@code AccountClient}. The annotations of a method, its class and the enclosing classes are combined: for each
 * option, the innermost takes precedence.
 */
@Documented
@Inherited
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(DapiMockExtension.class)
public @interface DapiMock {
  /** A world that comes with the server, such as {@code "leaky"}. */
  String template() default "";

  /** A world that you describe: a seed of one workspace, as JSON. */
  String seed() default "";

  /** The plan: {@code "premium"} or {@code "standard"}. */
  String tier() default "";

  /** Workspace configuration, such as {@code "maxTokenLifetimeDays=90"}. */
  String[] conf() default {};
}
