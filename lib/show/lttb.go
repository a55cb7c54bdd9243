package show

import "math"

// lttb keeps n of the points (x, y) so that the line looks the same: the first, the last, and of every bucket between the point
// that spans the largest triangle with the point kept before and the mean of the next bucket. A bucket of points
// that are no numbers keeps its first. x must ascend, n be at least 3.
//
// Steinarsson 2013, Downsampling Time Series for Visual Representation, §4.2.
func lttb(x, y []float64, n int) (keptX, keptY []float64) {
	if n >= len(x) {
		return x, y
	}
	keptX, keptY = make([]float64, 0, n), make([]float64, 0, n)
	keep := func(i int) { keptX, keptY = append(keptX, x[i]), append(keptY, y[i]) }
	last := len(x) - 1
	keep(0)
	width := float64(last-1) / float64(n-2)
	at := func(bucket int) int { return min(last, 1+int(float64(bucket)*width)) }
	before := 0
	for bucket := range n - 2 {
		lo, hi := at(bucket), at(bucket+1)
		meanX, meanY := mean(x, y, hi, max(hi+1, at(bucket+2)))
		best, area := lo, -1.0
		for i := lo; i < hi; i++ {
			a := math.Abs((x[before]-meanX)*(y[i]-y[before]) - (x[before]-x[i])*(meanY-y[before]))
			if a > area {
				best, area = i, a
			}
		}
		keep(best)
		before = best
	}
	keep(last)
	return keptX, keptY
}

// mean is the mean of the points lo ≤ i < hi that are numbers, or the first of them.
func mean(x, y []float64, lo, hi int) (meanX, meanY float64) {
	var n float64
	hi = min(hi, len(x))
	for i := lo; i < hi; i++ {
		if !math.IsNaN(y[i]) {
			meanX, meanY, n = meanX+x[i], meanY+y[i], n+1
		}
	}
	if n == 0 {
		return x[lo], 0
	}
	return meanX / n, meanY / n
}
