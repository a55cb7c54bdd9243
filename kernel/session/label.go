package session

import (
	"context"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"
)

// labelKey is the profiler label that names the cell of a goroutine. Goroutines inherit the labels of the one that starts them.
const labelKey = "quire.cell"

//go:linkname profLabel runtime/pprof.runtime_getProfLabel
func profLabel() unsafe.Pointer

// labelMap mirrors the head of runtime/pprof's label set.
type labelMap struct{ list []struct{ key, value string } }

// cells finds cells by their serial: those that run, and those whose goroutines may.
var (
	cells      sync.Map // uint64 → *Cell
	cellSerial atomic.Uint64
)

// adopt makes the calling goroutine, and those that it starts, the cell's.
func (c *Cell) adopt() {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelKey, strconv.FormatUint(c.serial, 10))))
}

// Current returns the cell that started the calling goroutine, directly or not; nil for other goroutines.
func Current() *Cell {
	m := (*labelMap)(profLabel())
	if m == nil {
		return nil
	}
	for _, l := range m.list {
		if l.key != labelKey {
			continue
		}
		n, _ := strconv.ParseUint(l.value, 10, 64)
		if c, ok := cells.Load(n); ok {
			return c.(*Cell)
		}
	}
	return nil
}
