package session

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// labelKey is the profiler label that names the cell of a goroutine. Goroutines inherit the labels of the one that starts them.
const labelKey = "quire.cell"

//go:linkname profLabel runtime/pprof.runtime_getProfLabel
func profLabel() unsafe.Pointer

// labelMap mirrors the head of runtime/pprof's label set.
type labelMap struct{ list []struct{ key, value string } }

// cells finds cells by their serial: those that run, and those whose goroutines do. A label's text lies inside its cell, which so
// lives as long as any goroutine that has the label.
var (
	cells      sync.Map // uint64 → weak.Pointer[Cell]
	cellSerial atomic.Uint64
)

// register gives the cell its serial.
func (c *Cell) register() {
	c.serial = cellSerial.Add(1)
	text := strconv.AppendUint(c.label[:0], c.serial, 10)
	c.labels = pprof.Labels(labelKey, unsafe.String(&c.label[0], len(text)))
	cells.Store(c.serial, weak.Make(c))
	runtime.AddCleanup(c, func(serial uint64) { cells.Delete(serial) }, c.serial)
}

// adopt makes the calling goroutine, and those that it starts, the cell's.
func (c *Cell) adopt() {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), c.labels))
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
			return c.(weak.Pointer[Cell]).Value()
		}
	}
	return nil
}
