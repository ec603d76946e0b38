package kit

import "time"

// MinTime is before every time that a store knows, in milliseconds.
const MinTime = -1 << 62

// Instant is a time that a store keeps.
func Instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// SinceMillis is the first millisecond that isn't before t.
func SinceMillis(t time.Time) int64 {
	if t.IsZero() {
		return MinTime
	}
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}
