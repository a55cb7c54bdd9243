package asmgen

import "fmt"

// peakChains is the number of independent accumulators of the peak loops: enough to hide the latency of every instruction measured.
const peakChains = 12

func peakFile(f *file) {
	for _, t := range []isa{avx512, avx2} {
		f.peak("peakF32"+t.name, t, func(acc int) { f.i("VFMADD231PS", t.v(0), t.v(1), t.v(acc)) })
		f.read(t)
	}
	f.peak("peakBF16AVX512", avx512, func(acc int) { f.dpbf16(0, 1, acc) })
	f.peak("peakI8AVX512", avx512, func(acc int) { f.i("VPDPBUSD", "Z0", "Z1", fmt.Sprintf("Z%d", acc)) })
}

func (f *file) peak(name string, t isa, ins func(acc int)) {
	f.fn(name, fmt.Sprintf("executes %d independent multiply-adds n times.", peakChains), num("n", "CX"))
	for r := range peakChains + 2 {
		f.zero(t, r)
	}
	f.label("loop")
	for r := range peakChains {
		ins(2 + r)
	}
	f.i("DECQ", "CX")
	f.i("JNE", "loop")
	f.ret()
}

func (f *file) read(t isa) {
	f.fn("read"+t.name, "reads n bytes, a multiple of 512.", ptr("p", "SI"), num("n", "CX"))
	for r := range 8 {
		f.zero(t, r)
	}
	f.label("loop")
	for off := 0; off < 512; off += 64 {
		f.i("PREFETCHT0", mem(prefetchAhead+off, "SI"))
	}
	for off, r := 0, 0; off < 512; off, r = off+t.bytes, (r+1)%8 {
		f.i("VADDPS", mem(off, "SI"), t.v(r), t.v(r))
	}
	f.i("ADDQ", "$512", "SI")
	f.i("SUBQ", "$512", "CX")
	f.i("JGT", "loop")
	f.ret()
}
