package cpu

import (
	"fmt"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

var _ tensor.Repacker = (*Backend)(nil)

// layoutVersion is part of Layout: raise it when packed bytes change for any type.
const layoutVersion = 1

// Layout names the level, which decides how wide panels are, and the version.
func (b *Backend) Layout() string {
	return fmt.Sprintf("cpu-%s-v%d", b.e.ks.level, layoutVersion)
}

// PackedBytes is the operand's buffer.
func (b *Backend) PackedBytes(p tensor.Packed) []byte {
	w, ok := p.(*packed)
	if !ok || w.raw.p != nil {
		return nil
	}
	return w.buf.data
}

// Restore makes an operand over data.
func (b *Backend) Restore(dt dtype.Type, k, n int, data []byte) (tensor.Packed, error) {
	w := &packed{dt: dt, k: k, n: n, buf: &buffer{data: data}}
	want := 0
	if dt.IsBlock() {
		w.blocks = b.e.ks.blocks.formats[dt]
		if w.blocks == nil {
			return nil, fmt.Errorf("cpu: %s has no layout for %v", b.e.ks.level, dt)
		}
		want = (n + blockCols - 1) / blockCols * w.blocks.layout.panel(k)
	} else {
		w.t, _, _ = b.e.choose(dt, dt, true)
		want = (n + w.t.nr - 1) / w.t.nr * w.t.panel(w.t.steps(k))
	}
	if len(data) != want+prefetchSlack {
		return nil, fmt.Errorf("cpu: packed %v [%d %d] has %d bytes: want %d", dt, k, n, len(data), want+prefetchSlack)
	}
	return w, nil
}
