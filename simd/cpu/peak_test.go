package cpu

import "testing"

func BenchmarkPeak(b *testing.B) {
	b.Run("f32", func(b *testing.B) {
		for b.Loop() {
			peakF32AVX512(1 << 20)
		}
		b.ReportMetric(12*32*float64(int(1)<<20)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
	})
	b.Run("bf16", func(b *testing.B) {
		for b.Loop() {
			peakBF16AVX512(1 << 20)
		}
		b.ReportMetric(12*64*float64(int(1)<<20)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
	})
	b.Run("kernel", func(b *testing.B) {
		buf := newBuffer(1 << 20)
		for b.Loop() {
			for range 100 {
				gemmF32AVX512_14(512, buf.ptr(), at(buf.ptr(), 1<<16), at(buf.ptr(), 1<<18), 128, 0)
			}
		}
		b.ReportMetric(100*512*14*32*2*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
	})
}
