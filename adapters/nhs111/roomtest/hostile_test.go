//go:build !race

// Memory means nothing under the race detector, so this runs without it: make
// bounds.
package roomtest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/heap"
)

// What one request of the SOAP door may cost at most: a report of 150 kB, and 1 MiB
// of whatever is made to cost much.
const (
	reportMemory  = 16 << 20
	hostileMemory = 64 << 20
	hostileTime   = time.Second
	hostileSize   = 1 << 20
)

// Ensure that a report, from reading it to the stored referral, and 1 MiB of hostile
// input stay within their bounds, and that no such input is a fault of ours.
func TestHostileRequestsOfTheSOAPDoorAreBounded(t *testing.T) {
	report := string(composeFrom(t, "report.xml"))
	inSection := func(piece string) string {
		end := strings.LastIndex(report, "</text>")
		return report[:end] + strings.Repeat(piece, hostileSize/len(piece)) + report[end:]
	}
	behind := func(mark, piece string) string {
		require.Contains(t, report, mark)
		return strings.Replace(report, mark, strings.Repeat(piece, hostileSize/len(piece))+mark, 1)
	}
	var attributes strings.Builder
	for i := range hostileSize / 12 {
		fmt.Fprintf(&attributes, ` a%d="1"`, i)
	}
	for name, c := range map[string]struct {
		body   string
		memory uint64
	}{
		"a report of 150 kB":         {string(grown(t, 150_000)), reportMemory},
		"everything in a report":     {string(composeFrom(t, "everything.xml")), reportMemory},
		"as many lines as are taken": {inSection("a long line<br/>"), hostileMemory},
		"lines":                      {inSection("a<br/>"), hostileMemory},
		"paragraphs":                 {inSection("<paragraph>a</paragraph>"), hostileMemory},
		"nested emphasis":            {inSection(strings.Repeat("<content>", 20) + strings.Repeat("</content>", 20)), hostileMemory},
		"a long text":                {inSection("abcdefgh "), hostileMemory},
		"references":                 {inSection("&#x41;"), hostileMemory},
		"empty elements":             {inSection("<a/>"), hostileMemory},
		"depth":                      {strings.Replace(report, "<custodian ", strings.Repeat("<a>", hostileSize/7)+strings.Repeat("</a>", hostileSize/7)+"<custodian ", 1), hostileMemory},
		"attributes":                 {strings.Replace(report, "<custodian ", "<custodian"+attributes.String()+" ", 1), hostileMemory},
		"informants":                 {behind("<custodian ", `<informant typeCode="INF"><assignedEntity/></informant>`), hostileMemory},
		"entries":                    {behind("</entry>", `</entry><entry><observation/>`), hostileMemory},
		"telecoms":                   {behind("<custodian ", `<telecom value="tel:1"/>`), hostileMemory},
		"a packed payload": {strings.Replace(report, "</ad:To>", "</ad:To><x xmlns='urn:x'>"+base64.StdEncoding.EncodeToString(make([]byte, hostileSize*3/4))+"</x>", 1),
			hostileMemory},
	} {
		t.Run(name, func(t *testing.T) {
			took, grew := hostileTime, uint64(0)
			for try := 0; try < 3 && took >= hostileTime; try++ { // others use the machine too
				_, desk := openRoom(t)
				h := door(desk)
				start := time.Now()
				grew = heap.Growth(func() {
					w := post(h, "text/xml", []byte(c.body))
					if c.memory == reportMemory {
						require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
					}
					require.NotContains(t, w.Body.String(), ">2200<", "%s", w.Body)
				})
				took = time.Since(start)
			}
			require.Less(t, took, hostileTime)
			require.Less(t, grew, c.memory)
			t.Logf("%d kB: %v, %.1f MiB", len(c.body)>>10, took.Round(time.Millisecond), float64(grew)/(1<<20))
		})
	}
}
