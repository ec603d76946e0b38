package search

import (
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
)

// escapeValue writes a value as R4 search.html#escaping asks a client to.
func escapeValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(s)
}

func finds(t *testing.T, typ, name, value string, x Index) bool {
	t.Helper()
	query := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	p, err := Parse(typ, query, testOptions)
	require.NoError(t, err, "%s?%s", typ, query)
	return Match(p.Query, "x", 0, x)
}

// word makes an awkward text: search syntax, accents, blanks, great length.
func word(r *rand.Rand) string {
	parts := []string{"a", "B", "Zz", "é", "Ł", "ß", "щ", "7", "-", "'", "’", ",", "|", "$", `\`, "+", "%", "&", "=", ":", "~", "!", "#", "/", "@", ".", "x y", "日本"}
	var b strings.Builder
	n := 1 + r.IntN(8)
	if r.IntN(12) == 0 {
		n = 200 + r.IntN(400)
	}
	b.WriteString(strconv.Itoa(r.IntN(1_000_000))) // so that two words are never equal
	for range n {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func TestEveryIdentifierCodeReferenceAndNameOfAResourceFindsIt(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		system, value, code, text := "urn:"+word(r), word(r), word(r), word(r)
		family, given := word(r), word(r)
		id := strconv.Itoa(r.IntN(1_000_000))
		request := fhir.NewObject("ServiceRequest").
			Set("identifier", []*fhir.Object{fhir.Obj("system", system, "value", value), fhir.Obj("value", text)}).
			Set("code", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", system, "code", code)})).
			Set("subject", fhir.Obj("reference", "Patient/"+id, "identifier", fhir.Obj("system", system, "value", code))).
			Set("occurrencePeriod", fhir.Obj("start", "2026-03-10T10:00:00Z", "end", "2026-03-10T11:00:00Z"))
		x := Extract(request.Resource(), testOptions)
		s, v, c := escapeValue(system), escapeValue(value), escapeValue(code)

		for _, q := range [][2]string{
			{"identifier", s + "|" + v}, {"identifier", v}, {"identifier", s + "|"}, {"identifier", "|" + escapeValue(text)},
			{"identifier", "nothing," + v}, {"code", s + "|" + c}, {"code", c},
			{"patient", id}, {"patient", "Patient/" + id}, {"patient:Patient", id}, {"subject", "https://onward.example/FHIR/R4/Patient/" + id},
			{"patient:identifier", s + "|" + c}, {"subject:identifier", c}, {"patient:missing", "false"}, {"encounter:missing", "true"},
			{"occurrence", "2026-03-10"}, {"occurrence", "ge2026-03-10T10:59:59Z"},
		} {
			require.True(t, finds(t, "ServiceRequest", q[0], q[1], x), "%q", q)
		}
		for _, q := range [][2]string{
			{"identifier", s + "|" + v + "z"}, {"identifier", v + "z"}, {"identifier", s + "z|"}, {"identifier", "|" + v}, {"identifier", c},
			{"code", v}, {"code", s + "|" + v}, {"code:not", c}, {"patient", id + "1"}, {"patient:identifier", s + "|" + v},
			{"subject:Group", id}, {"encounter", id}, {"occurrence", "2026-03-11"},
		} {
			require.False(t, finds(t, "ServiceRequest", q[0], q[1], x), "%q", q)
		}

		person := fhir.NewObject("Patient").Set("name", []*fhir.Object{fhir.Obj("family", family, "given", []string{given})})
		x = Extract(person.Resource(), testOptions)
		f := []rune(family)
		some := string(f[:1+r.IntN(len(f))])
		for _, q := range [][2]string{
			{"family", family}, {"family", some}, {"family", strings.ToUpper(family)}, {"name", given}, {"name", given + "  " + family},
			{"family:exact", family}, {"family:contains", string(f[:3])}, {"family:contains", string(f[1:4])},
		} {
			if strings.HasPrefix(q[0], "family:contains") && (len(f) < 4 || strings.TrimSpace(q[1]) != q[1]) {
				continue
			}
			if got := normalise(nil, []byte(q[1])); q[0] == "family:contains" && len([]rune(string(got))) < minNeedle {
				continue
			}
			require.True(t, finds(t, "Patient", q[0], escapeValue(q[1]), x), "%q", q)
		}
		require.False(t, finds(t, "Patient", "family:exact", escapeValue(family+"z"), x))
		require.False(t, finds(t, "Patient", "family", escapeValue(given), x))
	}
}

// Every resource of the samples is found by each of its identifiers, by its
// subject and by its status.
func TestPublishedSamplesAreFoundByTheirOwnValues(t *testing.T) {
	folder := fhirtest.Published(t, "samples")
	resources, searches := 0, 0
	walk := func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := fhir.Parse(text)
		if err != nil {
			return nil // not every sample is JSON of FHIR
		}
		fhir.Walk(r.Root(), func(_ string, v fhir.Value) {
			if v.Kind() != fhir.ObjectKind || table[v.Get("resourceType").Text()] == nil {
				return
			}
			resources++
			searches += searchForItself(t, v.Resource(), path)
		})
		return nil
	}
	require.NoError(t, filepath.WalkDir(folder, walk))
	require.Greater(t, searches, resources/2)
	t.Logf("%d resources, %d searches", resources, searches)
}

func searchForItself(t *testing.T, r *fhir.Resource, path string) int {
	t.Helper()
	typ, searches := r.Type(), 0
	x := Extract(r, testOptions)
	require.False(t, x.Over, path)
	ask := func(name, value string) {
		t.Helper()
		if value == "" || paramOf(typ, name) == nil {
			return
		}
		require.True(t, finds(t, typ, name, value, x), "%s %s: %s", path, typ, name)
		searches++
	}
	if r.Get("identifier").Kind() == fhir.ArrayKind {
		for id := range fhir.Identifiers(r.Get("identifier")) {
			if id.Value != "" {
				ask("identifier", escapeValue(id.System)+"|"+escapeValue(id.Value))
				ask("identifier", escapeValue(id.Value))
			}
		}
	}
	ask("status", escapeValue(r.Get("status").Text()))
	ask("family", escapeValue(r.Get("name", "family").Text()))
	if ref, ok := fhir.ParseReference(r.Get("subject", "reference").Text()); ok && ref.Anchor == "" && ref.Version == "" && paramOf(typ, "subject") != nil &&
		(ref.Type == "Patient" || ref.URN != "") {
		ask("subject", escapeValue(r.Get("subject", "reference").Text()))
		ask("patient", escapeValue(r.Get("subject", "reference").Text()))
	}
	return searches
}
