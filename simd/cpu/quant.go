package cpu

import "quire/simd/dtype"

// packBlocks packs a block format as float32 panels.
func (e *engine) packBlocks(b matrix) *packed { return e.packB(&e.ks.f32, dtype.F32, b) }

// timesBlocks multiplies by a packed block format.
func (e *engine) timesBlocks(p product, w *packed) { e.gemm(&e.ks.f32, dtype.F32, dtype.F32, p) }
