package io.github.dapimock;

/** No server answered. */
public class ServerUnreachableException extends RuntimeException {
  private static final long serialVersionUID = 1;

  ServerUnreachableException(String message, Throwable cause) {
    super(message, cause);
  }
}
