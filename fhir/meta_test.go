package fhir_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

var stampTime = time.Date(2026, 11, 20, 14, 0, 0, 123_999_999, time.FixedZone("", 3600))

const stamp = `"versionId":"7","lastUpdated":"2026-11-20T13:00:00.123Z"`

func TestStampPutsTwoMembersIntoMeta(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"meta with members":         {`{"resourceType":"X","id":"1","meta":{"profile":["p"]},"a":1}`, `{"resourceType":"X","id":"1","meta":{` + stamp + `,"profile":["p"]},"a":1}`},
		"meta absent":               {`{"resourceType":"X","id":"1","a":1}`, `{"resourceType":"X","id":"1","meta":{` + stamp + `},"a":1}`},
		"meta absent, nothing else": {`{"resourceType":"X","id":"1"}`, `{"resourceType":"X","id":"1","meta":{` + stamp + `}}`},
		"meta empty":                {`{"resourceType":"X","id":"1","meta":{},"a":1}`, `{"resourceType":"X","id":"1","meta":{` + stamp + `},"a":1}`},
		"meta last":                 {`{"resourceType":"X","a":[{"b":"}"}],"meta":{"tag":[]}}`, `{"resourceType":"X","a":[{"b":"}"}],"meta":{` + stamp + `,"tag":[]}}`},
		"meta first":                {`{"meta":{"tag":[1]},"resourceType":"X"}`, `{"meta":{` + stamp + `,"tag":[1]},"resourceType":"X"}`},
		"no id":                     {`{"resourceType":"X","a":1}`, `{"resourceType":"X","meta":{` + stamp + `},"a":1}`},
		"id last":                   {`{"a":1,"resourceType":"X","id":"1"}`, `{"a":1,"resourceType":"X","id":"1","meta":{` + stamp + `}}`},
		"neither type nor id":       {`{"a":1}`, `{"meta":{` + stamp + `},"a":1}`},
		"an empty object":           {`{}`, `{"meta":{` + stamp + `}}`},
		"meta elsewhere": {
			`{"resourceType":"X","contained":[{"resourceType":"Y","id":"2","meta":{"tag":[]}}],"a":{"meta":{"b":1}},"s":"meta"}`,
			`{"resourceType":"X","meta":{` + stamp + `},"contained":[{"resourceType":"Y","id":"2","meta":{"tag":[]}}],"a":{"meta":{"b":1}},"s":"meta"}`,
		},
		"meta elsewhere before it": {
			`{"resourceType":"X","a":{"meta":{"b":1}},"meta":{"tag":[1]}}`,
			`{"resourceType":"X","a":{"meta":{"b":1}},"meta":{` + stamp + `,"tag":[1]}}`,
		},
		"quotes and brackets in strings": {
			`{"resourceType":"X","id":"1\\","text":"\",\"meta\":{}\\\"","b":["}]","\\"],"meta":{"source":"\"{"},"z":"\\\\"}`,
			`{"resourceType":"X","id":"1\\","text":"\",\"meta\":{}\\\"","b":["}]","\\"],"meta":{` + stamp + `,"source":"\"{"},"z":"\\\\"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(tc.body)
			got := fhir.Stamp(body, 7, stampTime)
			require.Equal(t, tc.want, string(got))
			require.Equal(t, tc.want, string(mustParse(t, string(got)).JSON()))
			require.Equal(t, tc.body, string(body), "the stored bytes stay as they are")
		})
	}
}

func TestUnstampTakesTheTwoMembersOutAndNothingElse(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"1","meta":{"versionId":"3","lastUpdated":"x"},"a":1}`:                          `{"id":"1","a":1}`,
		`{"id":"1","meta":{"versionId":"3"},"a":1}`:                                            `{"id":"1","a":1}`,
		`{"id":"1","meta":{"lastUpdated":1}}`:                                                  `{"id":"1"}`,
		`{"id":"1","meta":{},"a":1}`:                                                           `{"id":"1","a":1}`,
		`{"meta":{"versionId":"3","profile":["p"],"lastUpdated":"x","source":"s"}}`:            `{"meta":{"profile":["p"],"source":"s"}}`,
		`{"meta":{"profile":["p"]},"n":1.00}`:                                                  `{"meta":{"profile":["p"]},"n":1.00}`,
		`{"a":{"meta":{"versionId":"3"}},"versionId":"4","contained":[{"meta":{"x":1}}]}`:      `{"a":{"meta":{"versionId":"3"}},"versionId":"4","contained":[{"meta":{"x":1}}]}`,
		`{"meta":{"extension":[{"versionId":"9"}],"versionId":"3","_lastUpdated":{"id":"1"}}}`: `{"meta":{"extension":[{"versionId":"9"}],"_lastUpdated":{"id":"1"}}}`,
	} {
		got, err := fhir.Unstamp(mustParse(t, body))
		require.NoError(t, err)
		require.Equal(t, want, string(got.JSON()))
	}
	same := mustParse(t, `{"meta":{"profile":["p"]}}`)
	got, err := fhir.Unstamp(same)
	require.NoError(t, err)
	require.Same(t, same, got)
}

func TestUnstampAsGivesTheIDToo(t *testing.T) {
	for body, want := range map[string]string{
		`{"resourceType":"Slot","meta":{"versionId":"3"},"start":1}`:               `{"resourceType":"Slot","id":"new","start":1}`,
		`{"resourceType":"Slot","id":"old","start":1.0}`:                           `{"resourceType":"Slot","id":"new","start":1.0}`,
		`{"meta":{"lastUpdated":"x","tag":[]},"id":"new","resourceType":"Slot"}`:   `{"meta":{"tag":[]},"id":"new","resourceType":"Slot"}`,
		`{"resourceType":"Slot","id":"new","meta":{"profile":["p"]},"start":1.00}`: `{"resourceType":"Slot","id":"new","meta":{"profile":["p"]},"start":1.00}`,
	} {
		r, err := fhir.UnstampAs(mustParse(t, body), "new")
		require.NoError(t, err)
		require.Equal(t, want, string(r.JSON()))
	}
}

func TestUnstampRefusesAMetaThatIsNoObject(t *testing.T) {
	for _, meta := range []string{`"secret"`, `null`, `[{}]`, `1`} {
		_, err := fhir.Unstamp(mustParse(t, `{"resourceType":"Slot","meta":`+meta+`}`))
		require.Equal(t, fhir.KindStructure, kindOf(t, err))
		require.ErrorContains(t, err, "Slot.meta")
		require.NotContains(t, err.Error(), "secret")
	}
}

// Ensure that a body which the disk has damaged is told as that, or stamped, and
// never walked past its end.
func TestStampOfADamagedBodyTakesNothingAway(t *testing.T) {
	whole := []byte(`{"resourceType":"Slot","id":"s","meta":{"tag":[{"code":"a\"b"}]},"status":"free"}`)
	for n := range whole {
		require.NotPanics(t, func() {
			got, ok := fhir.AppendStamp(nil, whole[:n], 1, stampTime)
			require.True(t, ok || string(got) == string(whole[:n]), "the first %d bytes", n)
		}, "the first %d bytes", n)
		for _, c := range []byte("\x00\\\"{}[],:x\xff") {
			damaged := bytes.Clone(whole)
			damaged[n] = c
			var got []byte
			require.NotPanics(t, func() { got = fhir.Stamp(damaged, 1, stampTime) }, "%s", damaged)
			require.GreaterOrEqual(t, len(got), len(damaged))
		}
	}
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte(serviceRequest), int64(1))
	f.Add([]byte(`{"meta":{"versionId":"\\\""},"id":"\\"}`), int64(-1))
	f.Add([]byte(`{"a":{"meta":{}},"meta":{"lastUpdated":1,"x":[]},"resourceType":"X"}`), int64(1<<62))
	f.Add([]byte(`{"":""}`), int64(0))
	f.Fuzz(func(t *testing.T, text []byte, version int64) {
		r, err := fhir.Parse(text)
		if err != nil {
			return
		}
		stored, err := fhir.Unstamp(r)
		if err != nil {
			return // a meta that is no object
		}
		served, err := fhir.Parse(fhir.Stamp(stored.JSON(), version, stampTime))
		require.NoError(t, err)
		require.Equal(t, fhir.FormatInstant(stampTime), served.Get("meta", "lastUpdated").Text())
		back, err := fhir.Unstamp(served)
		require.NoError(t, err)
		require.Equal(t, string(stored.JSON()), string(back.JSON()))
	})
}
