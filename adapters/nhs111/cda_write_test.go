package nhs111

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func testClient(message *fhir.Resource) *Client {
	_, sender, _ := strings.Cut(message.Get("entry").At(0).Get("resource").Dig("source", "endpoint").Text(), "|")
	return &Client{Sender: nhs.ODSCode(sender), NewID: counter(), Clock: func() time.Time { return testNow }}
}

// again sends a mapped referral out and takes it in as another receiver would.
func again(t testing.TB, message *fhir.Resource) (*Mapped, []byte) {
	t.Helper()
	c := testClient(message)
	out, err := c.Compose(message, 2)
	require.NoError(t, err)
	body := c.SOAP("https://receiver.test/report", out)
	mapped, _, err := through(body, "", strictRules())
	require.NoError(t, err)
	require.Empty(t, mapped.Warnings)
	return mapped, body
}

func TestRoundTripOfEveryReferralLosesNothingThatTheDocumentCanHold(t *testing.T) {
	for name, body := range referralBodies(t) {
		t.Run(name, func(t *testing.T) {
			first, _, err := through(body, "", compatRules())
			require.NoError(t, err)
			second, _ := again(t, first.Bundle)
			for _, line := range differences(readBundle(t, first.Bundle.JSON()).byType().flat(nil), readBundle(t, second.Bundle.JSON()).byType().flat(nil)) {
				t.Error(line)
			}
		})
	}
}

// referralBodies are the composed report and every published referral.
func referralBodies(t testing.TB) map[string][]byte {
	bodies := map[string][]byte{"composed": compose(t)}
	base := os.Getenv("ONWARD_SAMPLES")
	if base == "" {
		base = filepath.Join("..", "..", "..", "shared")
	}
	found, _ := filepath.Glob(filepath.Join(base, "samples", "nhs111", "adaptor-pairs", "*.request.xml"))
	for _, path := range found {
		bodies[strings.TrimSuffix(filepath.Base(path), ".request.xml")] = readSample(t, path)
	}
	return bodies
}

func TestWrittenDocumentsAndEnvelopesAreValidAgainstThePublishedSchemas(t *testing.T) {
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is absent; install libxml2-utils to validate against the schemas")
	}
	schemas := filepath.Join(samplesDir(t), "schemas", "Schemas")
	for name, body := range referralBodies(t) {
		t.Run(name, func(t *testing.T) {
			first, _, err := through(body, "", compatRules())
			require.NoError(t, err)
			document, err := writeDocument(first.Bundle, documentOptions{NewID: counter()})
			require.NoError(t, err)
			requireValid(t, lint, filepath.Join(schemas, "POCD_MT000002UK01.xsd"), []byte(document))
			c := testClient(first.Bundle)
			out, err := c.Compose(first.Bundle, 1)
			require.NoError(t, err)
			// The envelope's schema doesn't know the document's types.
			start, end := bytes.Index(out.Envelope, []byte("<ClinicalDocument")), bytes.Index(out.Envelope, []byte("</ClinicalDocument>"))
			bare := append(append([]byte(nil), out.Envelope[:start]...), out.Envelope[end+len("</ClinicalDocument>"):]...)
			requireValid(t, lint, filepath.Join(schemas, "distributionEnvelope-v2-0.xsd"), bare)
		})
	}
}

func requireValid(t testing.TB, lint, schema string, document []byte) {
	t.Helper()
	command := exec.Command(lint, "--nonet", "--noout", "--schema", schema, "-")
	command.Stdin = bytes.NewReader(document)
	said, err := command.CombinedOutput()
	require.NoError(t, err, string(said))
}
