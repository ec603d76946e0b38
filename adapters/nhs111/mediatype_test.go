package nhs111

import (
	"context"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/xmltree"
)

// SOAP 1.2 stacks write the action without the quotes that its URI needs.
func TestAnActionWithoutQuotesIsReadWhereNothingElseIsWrong(t *testing.T) {
	const action = "urn:nhs-itk:services:201005:SendNHS111Report-v2-0"
	for header, want := range map[string]int{
		`application/soap+xml; action="` + action + `"`:                                                200,
		`application/soap+xml; action=` + action:                                                       200,
		`application/soap+xml;action=` + action + `;charset=utf-8`:                                     200,
		`application/soap+xml; charset="utf-8"; Action = ` + action + ` `:                              200,
		`application/soap+xml; x="a;action=b\";"; action=` + action:                                    200,
		`application/soap+xml; action=http://a.example/x?b=c&d#e`:                                      400, // another action
		`application/soap+xml; action=urn:other`:                                                       400,
		`text/xml; action=` + action:                                                                   500, // SOAP 1.1, and the envelope is 1.2
		`application/soap+xml; action=`:                                                                415,
		`application/soap+xml; action=/relative/path`:                                                  415,
		`application/soap+xml; action=a b:c`:                                                           415,
		`application/soap+xml; action=urn:a"b`:                                                         415,
		`application/soap+xml; action="` + action:                                                      415, // a quote that doesn't end
		`application/soap+xml; action='` + action + `'`:                                                415,
		`application/soap+xml; action=<` + action + `>`:                                                415,
		`application/soap+xml; action=` + action + `, text/xml`:                                        415,
		`application/soap+xml; action=` + action + `; action=` + action:                                200, // the same
		`application/soap+xml; action=` + action + `; action=urn:other`:                                415,
		`application/soap+xml; action=` + action + `; charset=utf:8`:                                   415, // something else is wrong too
		`application/soap+xml; action=` + action + `; =b`:                                              415,
		`application/soap+xml; start=` + action:                                                        415,
		`application/soap+xml action=` + action:                                                        415,
		`application/json; action=` + action:                                                           415,
		`; action=` + action:                                                                           415,
		`multipart/related; type="application/xop+xml"; start-info="application/soap+xml"; boundary=b`: 415,
	} {
		w := send(New(&recordingDesk{}, testOptions()), itkPath, header, compose12(t))
		require.Equal(t, want, w.Code, "%s: %s", header, w.Body.String())
	}
}

// Ensure that the charset beside such an action counts, in what is kept too.
func TestTheCharsetBesideAnActionWithoutQuotesCounts(t *testing.T) {
	text := compose12(t, edit{` encoding="UTF-8"`, ``})
	latin := make([]byte, 0, len(text))
	for _, c := range string(text) {
		require.Less(t, c, rune(256))
		latin = append(latin, byte(c))
	}
	desk := &recordingDesk{}
	w := send(New(desk, testOptions()), itkPath, `application/soap+xml; action=urn:nhs-itk:services:201005:SendNHS111Report-v2-0; charset=iso-8859-1`, latin)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, string(desk.messages[0].Bundle.JSON()), "Béla")
	kept := 0
	for _, entry := range desk.messages[0].Attached {
		if entry.Resource.Type() != "Binary" || entry.Resource.Get("contentType").Text() == "application/hl7-cda+xml" {
			continue
		}
		_, parameters, err := mime.ParseMediaType(entry.Resource.Get("contentType").Text())
		require.NoError(t, err, "it is read back by its own media type")
		require.Equal(t, "iso-8859-1", parameters["charset"])
		kept++
	}
	require.Equal(t, 1, kept)
}

func TestAMessageInPartsIsRefusedWithWhatIsTaken(t *testing.T) {
	const mtom = `multipart/related; type="application/xop+xml"; start="<root>"; start-info="text/xml"; boundary="b"`
	for path, says := range map[string]string{
		reportPath: "The body must be text/xml or application/xml, in one part (no MTOM)",
		itkPath:    "The body must be text/xml or application/xml, or application/soap+xml, in one part (no MTOM)",
	} {
		w := send(New(&recordingDesk{}, testOptions()), path, mtom, compose(t))
		require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
		p := read(t, w)
		require.Equal(t, textMediaType, p.text)
		require.Equal(t, says, p.diag)
		_, err := xmltree.Read(w.Body.Bytes(), xmltree.Rules{})
		require.NoError(t, err)
	}
}

// Ensure that an answer with such a media type is read in its own charset.
func TestAnAnswersActionMayBeWithoutQuotes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/soap+xml; action=urn:a:fault; charset=iso-8859-1")
		w.WriteHeader(http.StatusInternalServerError)
		fault := strings.NewReplacer("%where", "Client", "%code", "1000", "Ada", "Ad\xe9").Replace(toolkitFault)
		_, _ = w.Write([]byte(fault))
	}))
	defer server.Close()
	err := (&Client{Sender: "A1001"}).Send(context.Background(), server.URL, &Outgoing{MessageID: "M", Service: sendReport, Envelope: []byte("<a/>")})
	var refused *Refused
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "1000", refused.Code)
	require.False(t, refused.Temporary)
}
