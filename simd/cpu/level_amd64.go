package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// peakLoops is the length of a peak loop of peakChains instructions: about 30 µs.
const (
	peakLoops  = 1 << 13
	peakChains = 12
)

// available lists the vector levels of this machine, best first.
func available() []kernels {
	var all []kernels
	x := cpu.X86
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512BF16 && x.HasAVX512VNNI && x.HasBMI2 {
		k := portable()
		k.level = AVX512
		k.f32 = tile{gemmF32AVX512, 32, 1, 4, 4, nil}
		k.bf16 = tile{gemmBF16AVX512, 32, 2, 4, 4, gemmBF16NarrowAVX512_14}
		k.mixedBF16 = tile{gemmMixedBF16AVX512, 32, 2, 8, 4, nil}
		k.mixedF16 = tile{gemmMixedF16AVX512, 32, 1, 4, 2, nil}
		k.packTranspose, k.packRows32, k.packRows16 = packTransposeAVX512, packRows32AVX512, packRows16AVX512
		k.peak = map[tensor.Limit]func() float64{
			tensor.PeakF32:  func() float64 { peakF32AVX512(peakLoops); return peakLoops * peakChains * 32 },
			tensor.PeakBF16: func() float64 { peakBF16AVX512(peakLoops); return peakLoops * peakChains * 64 },
			tensor.PeakInt8: func() float64 { peakI8AVX512(peakLoops); return peakLoops * peakChains * 128 },
		}
		k.read = readAVX512
		vectorsAVX512.use(&k)
		k.blocks = blockSet{blockFormatsAVX512, quantizeRowAVX512}
		k.attn = &attentionKernels{gemmBF16RowsAVX512, gemmBF16ColumnsAVX512, softenAVX512, slopePairsAVX512, storeRowsAVX512, finishSumsAVX512,
			map[dtype.Type]func(n int, out, x unsafe.Pointer){dtype.Q8_0: widenQ8_0AVX512, dtype.Q4_0: widenQ4_0AVX512}, touchRowsAVX512, rowDotsAVX512}
		all = append(all, k)
	}
	if x.HasAVX2 && x.HasFMA {
		k := portable()
		k.level = AVX2
		k.f32 = tile{gemmF32AVX2, 16, 1, 4, 4, nil}
		k.mixedBF16 = tile{gemmMixedBF16AVX2, 16, 2, 8, 4, nil}
		k.mixedF16 = tile{gemmMixedF16AVX2, 16, 1, 4, 2, nil}
		k.peak = map[tensor.Limit]func() float64{
			tensor.PeakF32: func() float64 { peakF32AVX2(peakLoops); return peakLoops * peakChains * 16 },
		}
		k.read = readAVX2
		vectorsAVX2.use(&k)
		k.blocks = blockSet{blockFormatsAVX2(), quantizeRowGo}
		all = append(all, k)
	}
	return all
}

// blockFormatsAVX512 are the formats with their kernels.
var blockFormatsAVX512 = map[dtype.Type]*blockFormat{
	dtype.Q8_0: {blockQ8_0AVX512, blockLayouts[dtype.Q8_0]},
	dtype.Q4_0: {blockQ4_0AVX512, blockLayouts[dtype.Q4_0]},
	dtype.Q4_1: {blockQ4_1AVX512, blockLayouts[dtype.Q4_1]},
	dtype.Q5_0: {blockQ5_0AVX512, blockLayouts[dtype.Q5_0]},
	dtype.Q5_1: {blockQ5_1AVX512, blockLayouts[dtype.Q5_1]},
	dtype.Q4_K: {blockQ4_KAVX512, blockLayouts[dtype.Q4_K]},
	dtype.Q5_K: {blockQ5_KAVX512, blockLayouts[dtype.Q5_K]},
	dtype.Q6_K: {blockQ6_KAVX512, blockLayouts[dtype.Q6_K]},
	dtype.AWQ4: {blockAWQ4AVX512, blockLayouts[dtype.AWQ4]},
}

// blockFormatsAVX2 have one kernel each, for one row.
func blockFormatsAVX2() map[dtype.Type]*blockFormat {
	all := map[dtype.Type]*blockFormat{}
	for dt, kernel := range map[dtype.Type]blockKernel{dtype.Q8_0: blockQ8_0AVX2, dtype.Q4_0: blockQ4_0AVX2, dtype.Q4_1: blockQ4_1AVX2, dtype.Q5_0: blockQ5_0AVX2, dtype.Q5_1: blockQ5_1AVX2,
		dtype.Q4_K: blockQ4_KAVX2, dtype.Q5_K: blockQ5_KAVX2, dtype.Q6_K: blockQ6_KAVX2, dtype.AWQ4: blockAWQ4AVX2} {
		all[dt] = &blockFormat{blockKernels{rows: [fewRows + 1]blockKernel{1: kernel}}, blockLayouts[dt]}
	}
	return all
}
