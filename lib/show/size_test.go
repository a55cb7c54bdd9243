package show

import (
	"math"
	"testing"
)

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 9_994: "9.99 kB", 9_995: "10.0 kB", 99_949: "99.9 kB", 99_950: "100 kB",
		999_499: "999 kB", 999_500: "1.00 MB", 128 << 20: "134 MB", 15_475_900_000: "15.5 GB", math.MaxInt64: "9.22 EB",
		-1_500_000: "-1.50 MB", math.MinInt64: "-9.22 EB",
	} {
		if got := Size(bytes); got != want {
			t.Errorf("Size(%d) = %q, want %q", bytes, got, want)
		}
	}
}
