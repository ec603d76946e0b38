import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * Prints what the HAPI validator says of each JSON file in a folder, one JSON object a line, errors
 * only. It never goes online: the definitions come from hapi-fhir-validation-resources-r4, and there
 * is no terminology server.
 */
public class Verdicts {

  /** In bytes; larger files would take hours, see conformance/crosscheck/hapi.json. */
  private static final long LARGEST = 4_000_000;

  public static void main(String[] args) throws Exception {
    FhirContext context = FhirContext.forR4();
    var unknownCodes = new UnknownCodeSystemWarningValidationSupport(context);
    var rules = new FhirInstanceValidator(new ValidationSupportChain(
        new DefaultProfileValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context),
        new SnapshotGeneratingValidationSupport(context),
        unknownCodes));
    rules.setAnyExtensionsAllowed(true);
    rules.setErrorForUnknownProfiles(false);
    rules.setNoExtensibleWarnings(true);
    FhirValidator validator = context.newValidator().registerValidatorModule(rules);

    List<Path> files;
    try (Stream<Path> found = Files.list(Path.of(args[0]))) {
      // A package's own files (package.json, an index) have no dash in their names.
      files = found.filter(file -> file.getFileName().toString().matches("[A-Za-z]+-.*\\.json"))
          .filter(file -> file.toFile().length() <= LARGEST)
          .sorted(Comparator.comparingLong(file -> file.toFile().length())).toList();
    }
    ObjectMapper mapper = new ObjectMapper();
    ExecutorService workers = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors());
    List<Future<String>> lines = new ArrayList<>();
    for (Path file : files) {
      lines.add(workers.submit(() -> mapper.writeValueAsString(verdict(validator, file))));
    }
    for (int i = 0; i < lines.size(); i++) {
      System.out.println(lines.get(i).get());
      lines.set(i, null);
      if (i % 500 == 499) {
        System.err.println("HAPI: " + (i + 1) + " of " + files.size());
      }
    }
    workers.shutdown();
  }

  private static Map<String, Object> verdict(FhirValidator validator, Path file) {
    Map<String, Object> out = new LinkedHashMap<>();
    List<Map<String, String>> issues = new ArrayList<>();
    out.put("file", file.getFileName().toString());
    out.put("issues", issues);
    try {
      String text = Files.readString(file, StandardCharsets.UTF_8);
      for (SingleValidationMessage message : validator.validateWithResult(text).getMessages()) {
        if (message.getSeverity() == ResultSeverityEnum.ERROR || message.getSeverity() == ResultSeverityEnum.FATAL) {
          issues.add(issue(message.getMessageId(), message.getLocationString(), message.getMessage()));
        }
      }
    } catch (Exception | StackOverflowError thrown) {
      issues.add(issue("exception", "", thrown.toString()));
    }
    return out;
  }

  private static Map<String, String> issue(String rule, String path, String text) {
    Map<String, String> out = new LinkedHashMap<>();
    out.put("rule", rule == null ? "" : rule);
    out.put("path", path == null ? "" : path);
    out.put("text", text.length() > 300 ? text.substring(0, 300) : text);
    return out;
  }
}
