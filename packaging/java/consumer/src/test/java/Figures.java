import io.github.dapimock.Server;
import java.util.Arrays;
import java.util.concurrent.Callable;

/** Prints the median times of a start and of a workspace: {@code Figures RUNS}. {@code ../bench} runs it. */
class Figures {
  public static void main(String[] arguments) throws Exception {
    System.out.printf("first start in a JVM, which extracts the program: %.1f ms%n", start());
    int runs = Integer.parseInt(arguments[0]);
    System.out.printf("start of the server: %.1f ms (median of %d)%n", median(runs / 10 + 1, Figures::start), runs / 10 + 1);
    try (Server server = Server.start()) {
      Callable<Object> workspace =
          () -> {
            server.suspectedCredentials();
            server.createWorkspace().delete();
            return server.suspectedCredentials();
          };
      for (int warmUp = 0; warmUp < runs; warmUp++) {
        workspace.call();
      }
      System.out.printf("workspace per test: %.2f ms (median of %d)%n", median(runs, () -> once(workspace)), runs);
    }
  }

  private static double start() throws Exception {
    long begin = System.nanoTime();
    Server server = Server.start();
    double took = (System.nanoTime() - begin) / 1e6;
    server.close();
    return took;
  }

  private static double once(Callable<Object> call) throws Exception {
    long begin = System.nanoTime();
    call.call();
    return (System.nanoTime() - begin) / 1e6;
  }

  private static double median(int runs, Callable<Double> measure) throws Exception {
    double[] figures = new double[runs];
    for (int run = 0; run < runs; run++) {
      figures[run] = measure.call();
    }
    Arrays.sort(figures);
    return figures[runs / 2];
  }
}
