package io.github.dapimock;

import com.fasterxml.jackson.databind.JsonNode;

/** The control API refused a call. The exception has the server's message. */
public class ControlException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int status;
  private final transient JsonNode answer;

  ControlException(int status, String message, JsonNode answer) {
    super(message);
    this.status = status;
    this.answer = answer;
  }

  /** The HTTP status. */
  public int status() {
    return status;
  }

  /** The whole response. */
  public JsonNode answer() {
    return answer;
  }
}
