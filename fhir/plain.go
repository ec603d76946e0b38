package fhir

import "encoding/binary"

// plain marks the bytes that stand for themselves in a JSON string: ASCII
// without control characters, quote and backslash.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// plainRun is where the plain bytes from a place on end. It looks at eight bytes
// at a time: most of what is read is text and base64.
func plainRun(in []byte, from int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; from+8 <= len(in); from += 8 {
		v := binary.LittleEndian.Uint64(in[from:])
		quote, slash := v^ones*'"', v^ones*'\\'
		if (v|(v-ones*0x20)&^v|(quote-ones)&^quote|(slash-ones)&^slash)&high != 0 {
			break
		}
	}
	for from < len(in) && plain[in[from]] {
		from++
	}
	return from
}
