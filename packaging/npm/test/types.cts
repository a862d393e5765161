// Compiled in strict mode, never run: the types as a CommonJS module sees them.
import dapiMock = require("dapi-mock");

export async function url(): Promise<string> {
  const server: dapiMock.Server = await dapiMock.start();
  return server.url;
}
