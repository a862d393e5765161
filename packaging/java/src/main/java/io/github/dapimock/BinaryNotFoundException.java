package io.github.dapimock;

/** The {@code dapi-mock} program is not installed, or DAPI_MOCK_BIN is wrong. */
public class BinaryNotFoundException extends RuntimeException {
  private static final long serialVersionUID = 1;

  BinaryNotFoundException(String message) {
    super(message);
  }
}
