package io.github.dapimock;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;

/** Calls the control API of one server. It connects directly and ignores proxy settings. */
final class Control {
  static final ObjectMapper JSON = new ObjectMapper();

  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  final String url;
  private final String key;
  private final HttpClient http =
      HttpClient.newBuilder()
          .proxy(HttpClient.Builder.NO_PROXY)
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(TIMEOUT)
          .build();

  Control(String url, String key) {
    this.url = url.replaceAll("/+$", "");
    this.key = key;
  }

  JsonNode get(String path, Map<String, ?> query) {
    return call("GET", path, null, query);
  }

  /** Calls a path under {@code /_mock/v1} and returns the response: JSON, or a text node if it is not JSON. */
  JsonNode call(String method, String path, Object body, Map<String, ?> query) {
    String parameters =
        query.entrySet().stream()
            .map(one -> encode(one.getKey()) + "=" + encode(String.valueOf(one.getValue())))
            .collect(Collectors.joining("&"));
    URI target = URI.create(url + "/_mock/v1" + path + (parameters.isEmpty() ? "" : "?" + parameters));
    HttpRequest.Builder request = HttpRequest.newBuilder(target).timeout(TIMEOUT).header("Accept", "application/json");
    if (key != null) {
      request.header("Authorization", "Bearer " + key);
    }
    if (method.equals("GET")) {
      request.GET();
    } else {
      request.header("Content-Type", "application/json");
      request.method(method, BodyPublishers.ofString(write(body == null ? Map.of() : body)));
    }
    HttpResponse<String> response;
    try {
      response = http.send(request.build(), BodyHandlers.ofString());
    } catch (IOException error) {
      throw new ServerUnreachableException("no dapi-mock server answers at " + url + ": " + error, error);
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw new ServerUnreachableException("interrupted while calling " + url, error);
    }
    boolean isJson =
        response.headers().firstValue("Content-Type").filter(type -> type.startsWith("application/json")).isPresent();
    JsonNode answer = isJson ? read(response.body()) : TextNode.valueOf(response.body());
    if (response.statusCode() >= 400) {
      String message = method + " " + path + " answered " + response.statusCode();
      throw new ControlException(response.statusCode(), answer.path("error").asText(message), answer);
    }
    return answer;
  }

  static JsonNode read(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException error) {
      throw new IllegalArgumentException("invalid JSON: " + error.getOriginalMessage(), error);
    }
  }

  private static String write(Object body) {
    try {
      return JSON.writeValueAsString(body);
    } catch (JsonProcessingException error) {
      throw new IllegalArgumentException("not serializable as JSON: " + body, error);
    }
  }

  static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
