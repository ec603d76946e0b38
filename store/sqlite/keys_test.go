package sqlite

import (
	"bytes"
	"database/sql/driver"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/onward-health/onward/fhir/search"
)

func TestKeysComeBack(t *testing.T) {
	for name, k := range map[string]keys{
		"nothing": {},
		"all": {terms: []int64{1, 2, 900, 1 << 40}, dates: []dateKey{{3, -5, -1}, {3, 0, 999}, {9, math.MinInt64, math.MaxInt64}, {9, search.MinTime, search.MaxTime}},
			texts: []textKey{{4, 900}, {5, 1}}},
	} {
		got, err := unpack(k.pack())
		if err != nil || !reflect.DeepEqual(got, k) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// Ensure that damaged keys are an error or keys, never a panic or an endless list,
// and that what was read is written alike.
func TestDamagedKeysAreAnError(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	whole := (&keys{terms: []int64{1, 5, 300}, dates: []dateKey{{2, 3, 4}, {9, -1, 1 << 40}}, texts: []textKey{{7, 5}}}).pack()
	bad := 0
	for range 20_000 {
		b := bytes.Clone(whole[:random.IntN(len(whole)+1)])
		for i := range b {
			if random.IntN(8) == 0 {
				b[i] = byte(random.Uint32())
			}
		}
		k, err := unpack(b)
		if err != nil {
			bad++
			continue
		}
		again, err := unpack(k.pack())
		if err != nil || !reflect.DeepEqual(again, k) {
			t.Fatalf("%x: %+v, then %+v, %v", b, k, again, err)
		}
	}
	if bad < 1000 {
		t.Errorf("only %d were found damaged", bad)
	}
}

func TestEntriesThatSayWhatARecordHasAreOneTerm(t *testing.T) {
	ix := search.Index{X: []string{"status:free", "!status", "identifier=urn:s|", "identifier=urn:s|1", "identifier=|1", "!start", "!odd\x01", "name~|"}}
	p := partsOf(ix)
	var texts []string
	for _, at := range p.terms {
		texts = append(texts, p.words[at].text)
	}
	want := []string{"status:free", "identifier=urn:s|1", "identifier=|1", "!odd\x01", "name~|", "!start\x01!status\x01identifier=urn:s|"}
	if !reflect.DeepEqual(texts, want) {
		t.Errorf("got %q", texts)
	}
	if last := p.words[p.terms[len(p.terms)-1]]; last.kind != kindShape {
		t.Errorf("the last is of kind %d", last.kind)
	}
}

func TestPackedTermsAreFound(t *testing.T) {
	ix := (&keys{terms: []int64{3, 8, 300}}).pack()
	for _, c := range []struct {
		list []int64
		want int64
	}{{[]int64{1, 2}, 0}, {[]int64{1, 3, 9}, 1}, {[]int64{300}, 1}, {[]int64{301}, 0}, {nil, 0}, {[]int64{4, 5, 6, 7, 8}, 1}} {
		got, err := ixAny([]driver.Value{ix, packTerms(c.list)})
		if err != nil || got != c.want {
			t.Errorf("%v: got %v, %v", c.list, got, err)
		}
	}
	if _, err := ixAny([]driver.Value{bytes.Repeat([]byte{0xff}, 20), packTerms([]int64{1})}); err == nil {
		t.Error("damaged keys were read")
	}
}
