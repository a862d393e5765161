package io.github.dapimock;

/** No {@code dapi-mock} program was found. */
public class BinaryNotFoundException extends RuntimeException {
  private static final long serialVersionUID = 1;

  BinaryNotFoundException(String message) {
    super(message);
  }
}
