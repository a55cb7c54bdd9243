//go:build goexperiment.simd

package clean

import "simd/archsimd"

func init() {
	if archsimd.X86.AVX512() {
		sumRows = sumRowsAVX512
	}
}

// sumRowsAVX512 takes a cache line of every row in turn, so that its sums stay in registers.
func sumRowsAVX512(sums *[stride]float32, table []float32, hashes []uint32) {
	for k := 0; k < stride; k += 32 {
		x, y := archsimd.LoadFloat32x16Slice(sums[k:]), archsimd.LoadFloat32x16Slice(sums[k+16:])
		for _, h := range hashes {
			row := table[int(h)*stride+k:][:32]
			x, y = x.Add(archsimd.LoadFloat32x16Slice(row)), y.Add(archsimd.LoadFloat32x16Slice(row[16:]))
		}
		x.StoreSlice(sums[k:])
		y.StoreSlice(sums[k+16:])
	}
	archsimd.ClearAVXUpperBits()
}
