package linear

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// RecordCall is one call on a record: a write of Value, a delete, or neither (a
// read). If is the version that the write asks for; 0 asks for none.
type RecordCall struct {
	Value  string
	Delete bool
	If     int64
}

// RecordAnswer is what came of it. A read gives Version and Value, or Deleted; a
// write the version that it made.
type RecordAnswer struct {
	Result  Result
	Version int64
	Value   string
	Deleted bool
}

type record struct {
	version int64
	value   string
	deleted bool
}

// Records is the model of a record that stands at version 1 with this value.
func Records(value string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return record{version: 1, value: value} },
		Step: func(state, input, output any) (bool, any) {
			r, call, answer := state.(record), input.(RecordCall), output.(RecordAnswer)
			if call.Value == "" && !call.Delete {
				if r.deleted || answer.Deleted {
					return r.deleted == answer.Deleted, r
				}
				return answer.Version == r.version && answer.Value == r.value, r
			}
			through := call.If == 0 || (call.If == r.version && !r.deleted)
			after := r
			switch {
			case !through:
			case call.Delete && r.deleted: // nothing to delete
			default:
				after = record{version: r.version + 1, value: call.Value, deleted: call.Delete}
			}
			switch answer.Result {
			case Done:
				return through && (call.Delete || answer.Version == after.version), after
			case Refused:
				return !through, r
			}
			return true, after
		},
		DescribeOperation: func(input, output any) string {
			c, a := input.(RecordCall), output.(RecordAnswer)
			switch {
			case c.Delete:
				return fmt.Sprintf("delete if %d: %s", c.If, a.Result)
			case c.Value != "":
				return fmt.Sprintf("write %s if %d: %s %d", c.Value, c.If, a.Result, a.Version)
			case a.Deleted:
				return "read: deleted"
			}
			return fmt.Sprintf("read: %d %s", a.Version, a.Value)
		},
		DescribeState: func(state any) string {
			r := state.(record)
			return fmt.Sprintf("%d %s deleted %v", r.version, r.value, r.deleted)
		},
	}
}
