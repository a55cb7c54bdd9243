package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Named is a tensor under the name that a file gives it.
type Named struct {
	Name   string
	Tensor tensor.Tensor
}

// Safetensors is one mapped file, or all the shards of a folder. Goroutines may share it; tensors die with Close.
type Safetensors struct {
	names   []string // in the order of the files
	entries map[string]entry
	meta    map[string]string
	files   []*tensor.Mapping
}

// entry is a tensor of a safetensors header.
type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`

	file *tensor.Mapping
	path string
	data int // byte at which the file's data begin
}

const (
	maxHeader = 100 << 20 // as the reference implementation
	indexFile = "model.safetensors.index.json"
)

var safetensorTypes = map[string]dtype.Type{"F32": dtype.F32, "F16": dtype.F16, "BF16": dtype.BF16, "I8": dtype.I8, "I32": dtype.I32, "U8": dtype.U8}

// OpenSafetensors maps a .safetensors file, or all the files of a folder: those that its index names, or all that are there.
func OpenSafetensors(path string) (*Safetensors, error) {
	s := &Safetensors{entries: map[string]entry{}, meta: map[string]string{}}
	files, weightMap, err := safetensorFiles(path)
	if err == nil {
		for _, file := range files {
			if err = s.add(file); err != nil {
				break
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(weightMap)) {
		if err != nil {
			break
		}
		if e, ok := s.entries[name]; !ok || filepath.Base(e.path) != weightMap[name] {
			err = fmt.Errorf("checkpoint: %s: tensor %q is not in %s, as the index says", path, name, weightMap[name])
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// safetensorFiles lists the files of path; weightMap is the index, where there is one.
func safetensorFiles(path string) (files []string, weightMap map[string]string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil, nil
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	data, err := readSmall(filepath.Join(path, indexFile))
	if errors.Is(err, fs.ErrNotExist) {
		files, _ = filepath.Glob(filepath.Join(path, "*.safetensors"))
		if len(files) == 0 {
			return nil, nil, fmt.Errorf("checkpoint: %s holds no .safetensors file (PyTorch's .bin must be converted first)", path)
		}
		return files, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: %s: %w", filepath.Join(path, indexFile), err)
	}
	for _, name := range slices.Compact(slices.Sorted(maps.Values(index.WeightMap))) {
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return nil, nil, fmt.Errorf("checkpoint: %s: file %q is outside the folder", filepath.Join(path, indexFile), name)
		}
		files = append(files, filepath.Join(path, name))
	}
	return files, index.WeightMap, nil
}

// readSmall reads a JSON document of a model's folder.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHeader+1))
	if len(data) > maxHeader {
		return nil, fmt.Errorf("more than %d bytes", maxHeader)
	}
	return data, err
}

// add maps a file and reads its header.
func (s *Safetensors) add(path string) error {
	file, err := tensor.Map(path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	s.files = append(s.files, file)
	names, entries, meta, data, err := parseSafetensors(file.Bytes())
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	maps.Copy(s.meta, meta)
	for i, e := range entries {
		if first, twice := s.entries[names[i]]; twice {
			return fmt.Errorf("checkpoint: tensor %q is in %s and in %s", names[i], first.path, path)
		}
		e.file, e.path, e.data = file, path, data
		s.entries[names[i]] = e
	}
	s.names = append(s.names, names...)
	return nil
}

// parseSafetensors reads the header of a file: eight bytes of length, JSON, then the data, which begin at byte data.
func parseSafetensors(file []byte) (names []string, entries []entry, meta map[string]string, data int, err error) {
	fail := func(format string, args ...any) ([]string, []entry, map[string]string, int, error) {
		return nil, nil, nil, 0, fmt.Errorf(format, args...)
	}
	if len(file) < 8 {
		return fail("%d bytes are no safetensors file", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	if n > uint64(min(len(file)-8, maxHeader)) {
		return fail("the header has %d bytes at byte 8, %d follow: truncated, or no safetensors file", n, len(file)-8)
	}
	data = 8 + int(n)
	dec := jsontext.NewDecoder(bytes.NewReader(file[8:data]))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return fail("the header at byte 8 is no JSON object")
	}
	for dec.PeekKind() == '"' {
		at := 8 + int(dec.InputOffset())
		tok, err := dec.ReadToken()
		if err != nil {
			return fail("the header at byte %d: %w", at, err)
		}
		name := tok.String()
		if name == "__metadata__" {
			if err := json.UnmarshalDecode(dec, &meta); err != nil {
				return fail("__metadata__ at byte %d: want strings: %w", at, err)
			}
			continue
		}
		var e entry
		if err := json.UnmarshalDecode(dec, &e, json.RejectUnknownMembers(true)); err != nil {
			return fail("tensor %.80q at byte %d: want dtype, shape and data_offsets: %w", name, at, err)
		}
		if err := e.check(len(file) - data); err != nil {
			return fail("tensor %.80q at byte %d: %w", name, data+max(e.Offsets[0], 0), err)
		}
		names, entries = append(names, name), append(entries, e)
	}
	if _, err := dec.ReadToken(); err != nil {
		return fail("the header at byte %d: %w", 8+int(dec.InputOffset()), err)
	}
	return names, entries, meta, data, nil
}

// check holds an entry against the bytes of data that the file has.
func (e entry) check(size int) error {
	lo, hi := e.Offsets[0], e.Offsets[1]
	if lo < 0 || hi < lo || hi > size {
		return fmt.Errorf("data_offsets %v: the file has %d bytes of data", e.Offsets, size)
	}
	count, ok := elements(e.Shape)
	if !ok {
		return fmt.Errorf("%s %v is no tensor", e.DType, e.Shape)
	}
	if dt, known := safetensorTypes[e.DType]; known && count*dt.BlockBytes() != hi-lo {
		return fmt.Errorf("%s %v needs %d bytes, the header gives %d", e.DType, e.Shape, count*dt.BlockBytes(), hi-lo)
	}
	return nil
}

// elements is the product of the axes; ok is false if one is negative or the product is beyond any file.
func elements(shape []int) (n int, ok bool) {
	n = 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > (1<<56)/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// Names lists the tensors in the order of the files.
func (s *Safetensors) Names() []string { return s.names }

// Meta is what the headers hold under __metadata__.
func (s *Safetensors) Meta() map[string]string { return s.meta }

// Tensor views a tensor of the file.
func (s *Safetensors) Tensor(name string) (tensor.Tensor, error) {
	e, ok := s.entries[name]
	if !ok {
		return tensor.Tensor{}, missing(name)
	}
	dt, ok := safetensorTypes[e.DType]
	if !ok || len(e.Shape) > tensor.MaxRank {
		return tensor.Tensor{}, fmt.Errorf("checkpoint: %s: tensor %q at byte %d: %s %v is not supported: want F32, F16, BF16, I8, I32 or U8 of at most %d axes",
			e.path, name, e.data+e.Offsets[0], e.DType, e.Shape, tensor.MaxRank)
	}
	return view(e.file, dt, e.data+e.Offsets[0], e.Shape)
}

// missing is the error of a name that no tensor has.
func missing(name string) error { return fmt.Errorf("checkpoint: tensor %q is missing", name) }

// Has reports whether there is such a tensor.
func (s *Safetensors) Has(name string) bool { _, ok := s.entries[name]; return ok }

// Close unmaps the files.
func (s *Safetensors) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files, s.entries, s.names = nil, nil, nil
	return errors.Join(errs...)
}

// view is the tensor at a place of a mapped file: in place, or copied where the file misaligns its numbers.
func view(file *tensor.Mapping, dt dtype.Type, offset int, shape []int) (tensor.Tensor, error) {
	t, err := file.Tensor(dt, offset, shape...)
	if err != nil {
		return t, fmt.Errorf("checkpoint: %w", err)
	}
	if size := dt.BlockBytes(); !dt.IsBlock() && offset%size != 0 {
		aligned := tensor.New(dt, shape...)
		copy(aligned.Bytes(), t.Bytes())
		return aligned, nil
	}
	return t, nil
}
