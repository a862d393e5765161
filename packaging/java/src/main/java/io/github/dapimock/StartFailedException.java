package io.github.dapimock;

/** The server did not start. The message includes what it printed. */
public class StartFailedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  StartFailedException(String message, Throwable cause) {
    super(message, cause);
  }
}
