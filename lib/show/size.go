package show

import "fmt"

// Size writes a number of bytes as people read it: in decimal units, three digits.
func Size(bytes int64) string {
	if -1000 < bytes && bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	v, prefix := float64(bytes)/1000, "kMGTPE"
	for (v >= 999.5 || v <= -999.5) && len(prefix) > 1 {
		v, prefix = v/1000, prefix[1:]
	}
	digits := 0
	switch {
	case -9.995 < v && v < 9.995:
		digits = 2
	case -99.95 < v && v < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%.*f %cB", digits, v, prefix[0])
}
