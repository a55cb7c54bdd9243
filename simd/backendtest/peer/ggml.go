package peer

import (
	"fmt"
	"path/filepath"
	"unsafe"

	"github.com/ebitengine/purego"

	"quire/simd/backendtest"
	"quire/simd/dtype"
)

// ggmlTypes are ggml's codes.
var ggmlTypes = map[dtype.Type]int32{dtype.F32: 0, dtype.F16: 1, dtype.Q4_0: 2, dtype.Q4_1: 3, dtype.Q5_0: 6, dtype.Q5_1: 7, dtype.Q8_0: 8, dtype.Q4_K: 12, dtype.Q5_K: 13, dtype.Q6_K: 14, dtype.BF16: 30}

const (
	cpuDevice  = 0       // GGML_BACKEND_DEVICE_TYPE_CPU
	filler     = 0x3c    // every byte of an operand: 0.0115 as F32 and BF16, 1.06 as F16
	contextMem = 4 << 20 // descriptions of tensors and graphs
)

// GGML is llama.cpp's tensor library, loaded.
type GGML struct {
	init        func(params initParams) uintptr
	free        func(ctx uintptr)
	newTensor   func(ctx uintptr, kind int32, n0, n1, n2, n3 int64) uintptr
	mulMat      func(ctx, a, b uintptr) uintptr
	flashAttn   func(ctx, q, k, v, mask uintptr, scale, maxBias, softcap float32) uintptr
	newGraph    func(ctx uintptr) uintptr
	expand      func(graph, tensor uintptr)
	alloc       func(ctx, backend uintptr) uintptr
	memset      func(tensor uintptr, value uint8, offset, size uint64)
	compute     func(backend, graph uintptr) int32
	freeBuffer  func(buffer uintptr)
	nbytes      func(tensor uintptr) uint64
	backend     uintptr
	setThreads  func(backend uintptr, n int32)
	description string
	release     func() // frees the operands of the product or attention before
}

// initParams is ggml_init_params.
type initParams struct {
	size    uint64
	_       unsafe.Pointer // buffer: nil, ggml allocates
	noAlloc bool
	_       [7]byte
}

// LoadGGML opens the libraries in a folder, such as bins/linux-x64 of the npm package @node-llama-cpp/linux-x64, and lets ggml choose the best one for this processor.
func LoadGGML(dir string) (*GGML, error) {
	base, err := purego.Dlopen(filepath.Join(dir, "libggml-base.so"), purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("peer: ggml: %v: name a folder with llama.cpp's libraries", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "libggml*.so*"))
	if err != nil {
		return nil, fmt.Errorf("peer: ggml: %v", err)
	}
	var registry uintptr
	for _, name := range names {
		lib, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
		if err != nil {
			continue
		}
		if address, err := purego.Dlsym(lib, "ggml_backend_load_all_from_path"); err == nil && address != 0 {
			registry = lib
			break
		}
	}
	if registry == 0 {
		return nil, fmt.Errorf("peer: ggml: no library in %s has ggml_backend_load_all_from_path", dir)
	}
	g := &GGML{}
	if err := register(base, "ggml in "+dir, map[string]any{"ggml_init": &g.init, "ggml_free": &g.free, "ggml_new_tensor_4d": &g.newTensor, "ggml_mul_mat": &g.mulMat, "ggml_flash_attn_ext": &g.flashAttn,
		"ggml_new_graph": &g.newGraph, "ggml_build_forward_expand": &g.expand, "ggml_backend_alloc_ctx_tensors": &g.alloc, "ggml_backend_tensor_memset": &g.memset,
		"ggml_backend_graph_compute": &g.compute, "ggml_backend_buffer_free": &g.freeBuffer, "ggml_nbytes": &g.nbytes}); err != nil {
		return nil, err
	}
	return g, g.open(base, registry, dir)
}

// open makes the processor's backend.
func (g *GGML) open(base, registry uintptr, dir string) error {
	var load func(dir string)
	var device func(kind int32) uintptr
	var start func(dev uintptr, params uintptr) uintptr
	var registration func(dev uintptr) uintptr
	var lookUp func(reg uintptr, name string) uintptr
	var describe func(dev uintptr) string
	if err := register(registry, "ggml in "+dir, map[string]any{"ggml_backend_load_all_from_path": &load, "ggml_backend_dev_by_type": &device}); err != nil {
		return err
	}
	if err := register(base, "ggml in "+dir, map[string]any{"ggml_backend_dev_init": &start, "ggml_backend_dev_backend_reg": &registration,
		"ggml_backend_reg_get_proc_address": &lookUp, "ggml_backend_dev_description": &describe}); err != nil {
		return err
	}
	load(dir)
	dev := device(cpuDevice)
	if dev == 0 {
		return fmt.Errorf("peer: ggml: %s has no library for this processor", dir)
	}
	g.backend, g.description = start(dev, 0), describe(dev)
	setThreads := lookUp(registration(dev), "ggml_backend_set_n_threads")
	if g.backend == 0 || setThreads == 0 {
		return fmt.Errorf("peer: ggml: %s: the processor's backend does not start", dir)
	}
	purego.RegisterFunc(&g.setThreads, setThreads)
	return nil
}

// Product returns a function that multiplies F32 activations by weights in p's type, and returns the seconds of a call; nil if ggml has no such type.
func (g *GGML) Product(p backendtest.Product, threads int) func() float64 {
	if _, ok := ggmlTypes[p.DType]; !ok || p.Plain {
		return nil
	}
	return g.graph(threads, func(operand func(dt dtype.Type, n0, n1, n2 int) uintptr, ctx uintptr) []uintptr {
		return []uintptr{g.mulMat(ctx, operand(p.DType, p.K, p.N, 1), operand(dtype.F32, p.K, p.M, 1))}
	})
}

// Attention returns a function that runs ggml's flash attention over F16 keys and values, and returns the seconds of a call.
func (g *GGML) Attention(s backendtest.AttentionSize, threads int) func() float64 {
	return g.graph(threads, func(operand func(dt dtype.Type, n0, n1, n2 int) uintptr, ctx uintptr) (outs []uintptr) {
		for range s.Layers {
			q, k, v := operand(dtype.F32, s.HeadDim, s.Queries, s.Heads), operand(dtype.F16, s.HeadDim, s.Keys, s.KVHeads), operand(dtype.F16, s.HeadDim, s.Keys, s.KVHeads)
			outs = append(outs, g.flashAttn(ctx, q, k, v, 0, 0.125, 0, 0))
		}
		return outs
	})
}

// graph builds operands and results, frees those of the call before, and returns what computes them.
func (g *GGML) graph(threads int, build func(operand func(dt dtype.Type, n0, n1, n2 int) uintptr, ctx uintptr) []uintptr) func() float64 {
	if g.release != nil {
		g.release()
	}
	ctx := g.init(initParams{size: contextMem, noAlloc: true})
	var operands []uintptr
	outs := build(func(dt dtype.Type, n0, n1, n2 int) uintptr {
		t := g.newTensor(ctx, ggmlTypes[dt], int64(n0), int64(n1), int64(n2), 1)
		operands = append(operands, t)
		return t
	}, ctx)
	graph := g.newGraph(ctx)
	for _, out := range outs {
		g.expand(graph, out)
	}
	buffer := g.alloc(ctx, g.backend)
	for _, t := range operands {
		g.memset(t, filler, 0, g.nbytes(t))
	}
	g.release = func() { g.freeBuffer(buffer); g.free(ctx) }
	return func() float64 {
		g.setThreads(g.backend, int32(threads))
		return backendtest.Seconds(func() { g.compute(g.backend, graph) })
	}
}

// About is the processor as ggml names it.
func (g *GGML) About() string { return g.description }
