import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/** Serves MongoDB's protocol from memory on a free loopback port, whose address it prints, until its input ends. */
public class LookAlike {
  public static void main(String[] args) throws Exception {
    MongoServer server = new MongoServer(new MemoryBackend());
    System.out.println(server.bindAndGetConnectionString());
    while (System.in.read() >= 0) {}
    server.shutdownNow();
  }
}
