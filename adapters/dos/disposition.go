package dos

import (
	"errors"
	"strconv"
	"strings"
)

var (
	errTwoBookingEndpoints = errors.New("dos: the service has two booking endpoints; none can be chosen")
	errDisposition         = errors.New("dos: a disposition is Dx and two or three digits")
)

// DispositionID turns a disposition code of NHS Pathways ("Dx02") into the
// directory's number: 10 and two digits, 11 and three digits, or 1 and three
// digits that begin with 1.
func DispositionID(code string) (int, error) {
	if len(code) < 2 || !strings.EqualFold(code[:2], "Dx") {
		return 0, errDisposition
	}
	digits := code[2:]
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, errDisposition
		}
	}
	switch {
	case len(digits) == 3 && digits[0] == '1':
		digits = "1" + digits
	case len(digits) == 3:
		digits = "11" + digits
	case len(digits) == 2:
		digits = "10" + digits
	default:
		return 0, errDisposition
	}
	return strconv.Atoi(digits)
}
