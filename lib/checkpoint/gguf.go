package checkpoint

import (
	"errors"
	"fmt"
	"slices"

	"quire/internal/gguf"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// GGUF is a mapped GGUF file. Goroutines may share it; tensors die with Close.
type GGUF struct {
	path    string
	file    *tensor.Mapping
	head    *gguf.Head
	tensors map[string]gguf.Tensor
}

// ggmlTypes are the type codes of ggml.h that have a dtype.
var ggmlTypes = map[uint32]dtype.Type{0: dtype.F32, 1: dtype.F16, 2: dtype.Q4_0, 3: dtype.Q4_1, 6: dtype.Q5_0, 7: dtype.Q5_1, 8: dtype.Q8_0,
	12: dtype.Q4_K, 13: dtype.Q5_K, 14: dtype.Q6_K, 24: dtype.I8, 26: dtype.I32, 30: dtype.BF16}

// ggmlOthers names the codes that have none, for errors.
var ggmlOthers = map[uint32]string{9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
	21: "IQ3_S", 22: "IQ2_S", 25: "I16", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}

// OpenGGUF maps a file and checks its table against its size.
func OpenGGUF(path string) (*GGUF, error) {
	file, err := tensor.Map(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	g := &GGUF{path: path, file: file, tensors: map[string]gguf.Tensor{}}
	if g.head, err = gguf.Parse(file.Bytes()); err == nil {
		err = g.index()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("checkpoint: %s: %w", path, err), file.Close())
	}
	return g, nil
}

func (g *GGUF) index() error {
	size := len(g.file.Bytes()) - g.head.Data
	for _, t := range g.head.Tensors {
		if _, twice := g.tensors[t.Name]; twice {
			return fmt.Errorf("tensor %.80q appears twice", t.Name)
		}
		g.tensors[t.Name] = t
		at := uint64(g.head.Data) + t.Offset
		n, ok := elements(t.Dims)
		block, bytes, known := ggmlBlock(t.Type)
		switch {
		case !ok || known && block > 1 && (len(t.Dims) == 0 || t.Dims[0]%block != 0):
			return fmt.Errorf("tensor %.80q at byte %d: %s %v is no tensor", t.Name, at, ggmlName(t.Type), shapeOf(t))
		case t.Offset%uint64(g.head.Align) != 0:
			return fmt.Errorf("tensor %.80q at byte %d: want a multiple of %d behind byte %d", t.Name, at, g.head.Align, g.head.Data)
		case known && (t.Offset > uint64(max(size, 0)) || n/block*bytes > size-int(t.Offset)):
			return fmt.Errorf("tensor %.80q at byte %d: %s %v needs %d bytes, the file ends at byte %d", t.Name, at, ggmlName(t.Type), shapeOf(t), n/block*bytes, len(g.file.Bytes()))
		}
	}
	return nil
}

// shapeOf is the shape with the slowest axis first.
func shapeOf(t gguf.Tensor) []int {
	shape := slices.Clone(t.Dims)
	slices.Reverse(shape)
	return shape
}

// ggmlBlock is the number of elements and the bytes of a block of a type that can be read; one element of types without blocks.
func ggmlBlock(code uint32) (elements, bytes int, ok bool) {
	if dt, ok := ggmlTypes[code]; ok {
		return dt.Block(), dt.BlockBytes(), true
	}
	f, ok := ggmlForeign[code]
	return f.elements, f.bytes, ok
}

func ggmlName(code uint32) string {
	if dt, ok := ggmlTypes[code]; ok {
		return dt.String()
	}
	if f, ok := ggmlForeign[code]; ok {
		return f.name
	}
	if name, ok := ggmlOthers[code]; ok {
		return name
	}
	return fmt.Sprintf("type %d", code)
}

// Names lists the tensors in the order of the file.
func (g *GGUF) Names() []string {
	names := make([]string, len(g.head.Tensors))
	for i, t := range g.head.Tensors {
		names[i] = t.Name
	}
	return names
}

// Meta is the metadata: strings, bools, numbers, and slices of them. It is shared: do not write to it.
func (g *GGUF) Meta() map[string]any { return g.head.Meta }

// Has reports whether there is such a tensor.
func (g *GGUF) Has(name string) bool { _, ok := g.tensors[name]; return ok }

// Tensor views a tensor of the file, slowest axis first. Q2_K, Q3_K, IQ4_NL and IQ4_XS, for which there is no dtype, are copied to one that holds their numbers.
func (g *GGUF) Tensor(name string) (tensor.Tensor, error) {
	t, ok := g.tensors[name]
	if !ok {
		return tensor.Tensor{}, missing(name)
	}
	dt, ok := ggmlTypes[t.Type]
	if f, rewritten := ggmlForeign[t.Type]; rewritten && len(t.Dims) <= tensor.MaxRank {
		return f.read(g, t), nil
	}
	if !ok || len(t.Dims) > tensor.MaxRank {
		return tensor.Tensor{}, fmt.Errorf("checkpoint: %s: tensor %q at byte %d: %s %v is not supported: quantise to Q8_0, Q5_0, Q5_1, Q4_0, Q4_1, Q4_K, Q5_K or Q6_K",
			g.path, name, uint64(g.head.Data)+t.Offset, ggmlName(t.Type), shapeOf(t))
	}
	return view(g.file, dt, g.head.Data+int(t.Offset), shapeOf(t))
}

// Close unmaps the file.
func (g *GGUF) Close() error { return g.file.Close() }

// WriteGGUF writes a version 3 file, whole or not at all. Values of meta are those that GGUF.Meta gives.
func WriteGGUF(path string, meta map[string]any, tensors []Named) error {
	return writeGGUF(path, meta, payloads(tensors))
}

func writeGGUF(path string, meta map[string]any, list []payload) error {
	align := 32
	if n, ok := meta["general.alignment"].(uint32); ok && n > 0 {
		align = int(n)
	}
	h := &gguf.Head{Meta: meta, Align: align}
	var data []placed
	offset := 0
	for _, p := range list {
		code, ok := ggmlCode(p.dt)
		if !ok {
			return fmt.Errorf("checkpoint: write %s: tensor %q: GGUF has no type %v", path, p.name, p.dt)
		}
		dims := slices.Clone(p.shape)
		slices.Reverse(dims)
		h.Tensors = append(h.Tensors, gguf.Tensor{Name: p.name, Dims: dims, Type: code, Offset: uint64(offset)})
		data = append(data, placed{p, int64(offset)})
		offset += (p.bytes() + align - 1) / align * align
	}
	head, err := gguf.Append(nil, h)
	if err != nil {
		return fmt.Errorf("checkpoint: write %s: %w", path, err)
	}
	for i := range data {
		data[i].offset += int64(len(head))
	}
	return writeFile(path, "", head, data, int64(len(head)+offset))
}

func ggmlCode(dt dtype.Type) (uint32, bool) {
	for code, t := range ggmlTypes {
		if t == dt {
			return code, true
		}
	}
	return 0, false
}
