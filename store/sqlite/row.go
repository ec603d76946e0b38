package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// row is one row of an answer: int64, float64, string, []byte or nil a column.
type row []driver.Value

// number, text and bytes give a column's value, nothing where it is NULL.
func (r row) number(i int) int64 { n, _ := r[i].(int64); return n }
func (r row) text(i int) string  { s, _ := r[i].(string); return s }
func (r row) bytes(i int) []byte { b, _ := r[i].([]byte); return b }

// scan puts the columns into variables, one each. Only a []byte, an sql.NullInt64
// and a pointer to a pointer take NULL.
func (r row) scan(into ...any) error {
	if len(into) != len(r) {
		return fmt.Errorf("store: %d columns for %d variables", len(r), len(into))
	}
	for i, to := range into {
		if !take(to, r[i]) {
			return ownError(fmt.Sprintf("column %d is %T, which a %T doesn't take: the file is damaged", i, r[i], to))
		}
	}
	return nil
}

func take(into any, v driver.Value) (ok bool) {
	switch to := into.(type) {
	case *int64:
		*to, ok = v.(int64)
	case *int:
		var n int64
		n, ok = v.(int64)
		*to = int(n)
	case *bool:
		var n int64
		n, ok = v.(int64)
		*to = n != 0
	case *string:
		*to, ok = v.(string)
	case *[]byte:
		return takeBytes(to, v)
	case *sql.NullInt64:
		to.Int64, to.Valid = v.(int64)
		return to.Valid || v == nil
	case **int64:
		n, is := v.(int64)
		if *to = nil; is {
			*to = &n
		}
		return is || v == nil
	}
	return ok
}

func takeBytes(to *[]byte, v driver.Value) bool {
	switch v := v.(type) {
	case nil:
		*to = nil
	case []byte:
		*to = v
	case string:
		*to = []byte(v)
	default:
		return false
	}
	return true
}

// value is an argument as the driver takes it.
func value(v any) (driver.Value, error) {
	switch v := v.(type) {
	case nil, int64, string, []byte:
		return v, nil
	case int:
		return int64(v), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}
