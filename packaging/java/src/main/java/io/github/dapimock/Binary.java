package io.github.dapimock;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;

/**
 * Finds the {@code dapi-mock} program: the file that {@code DAPI_MOCK_BIN} names, or else the artifact {@code
 * dapi-mock-binary} on the class path, or else the first one on PATH.
 */
final class Binary {
  private Binary() {}

  static Path find() {
    String named = System.getenv("DAPI_MOCK_BIN");
    if (named != null && !named.isEmpty()) {
      Path program = Path.of(named);
      if (Files.isRegularFile(program) && Files.isExecutable(program)) {
        return program;
      }
      throw new BinaryNotFoundException("DAPI_MOCK_BIN is not an executable file: " + named);
    }
    String folder = "/META-INF/dapi-mock/" + platform() + "/";
    try (InputStream checksum = Binary.class.getResourceAsStream(folder + program() + ".sha256")) {
      if (checksum != null) {
        return extract(folder + program(), new String(checksum.readAllBytes(), StandardCharsets.US_ASCII).strip());
      }
    } catch (IOException error) {
      throw new UncheckedIOException("could not extract dapi-mock from the artifact dapi-mock-binary", error);
    }
    String path = System.getenv("PATH");
    for (String entry : (path == null ? "" : path).split(File.pathSeparator)) {
      Path program = Path.of(entry, program());
      if (!entry.isEmpty() && Files.isRegularFile(program) && Files.isExecutable(program)) {
        return program;
      }
    }
    throw new BinaryNotFoundException(
        "no dapi-mock program found: add the artifact io.github.dapi-mock:dapi-mock-binary with the classifier "
            + platform()
            + ", set DAPI_MOCK_BIN, or install dapi-mock on PATH");
  }

  /** The classifier of this machine's artifact, such as {@code linux-x86_64}. */
  static String platform() {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String os = system.startsWith("mac") ? "osx" : system.startsWith("windows") ? "windows" : "linux";
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    return os + "-" + (arch.equals("amd64") ? "x86_64" : arch.equals("arm64") ? "aarch64" : arch);
  }

  private static String program() {
    return platform().startsWith("windows") ? "dapi-mock.exe" : "dapi-mock";
  }

  private static Path extract(String resource, String checksum) throws IOException {
    Path folder = cache().resolve(checksum);
    Path program = folder.resolve(program());
    // The program is moved here only when it is complete.
    if (Files.isExecutable(program)) {
      return program;
    }
    Files.createDirectories(folder);
    Path part = Files.createTempFile(folder, "dapi-mock", ".part");
    try {
      String found = copy(resource, part);
      if (!found.equals(checksum)) {
        throw new IOException(resource + " has the checksum " + found + ", expected " + checksum);
      }
      if (!part.toFile().setExecutable(true)) {
        throw new IOException("cannot make " + part + " executable");
      }
      Files.move(part, program, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(part);
    }
    return program;
  }

  private static String copy(String resource, Path target) throws IOException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException error) {
      throw new IllegalStateException("every Java platform has SHA-256", error);
    }
    try (InputStream stream = Binary.class.getResourceAsStream(resource)) {
      if (stream == null) {
        throw new IOException("the artifact has no " + resource);
      }
      Files.copy(new DigestInputStream(stream, digest), target, StandardCopyOption.REPLACE_EXISTING);
    }
    StringBuilder text = new StringBuilder();
    for (byte one : digest.digest()) {
      text.append(String.format("%02x", one));
    }
    return text.toString();
  }

  private static Path cache() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    String windows = System.getenv("LOCALAPPDATA");
    Path caches =
        xdg != null && !xdg.isEmpty()
            ? Path.of(xdg)
            : windows != null ? Path.of(windows) : Path.of(System.getProperty("user.home"), ".cache");
    return caches.resolve("dapi-mock").resolve("bin");
  }
}
