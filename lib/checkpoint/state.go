package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/zeebo/xxh3"

	"quire/simd/tensor"
)

// State is a step of a training run: everything that the next step depends on. Its file is a safetensors file that any tool can open; Document and the
// hashes lie in its __metadata__.
type State struct {
	Step     int
	Document jsontext.Value // what is not tensors: schedule, random numbers, data position, configuration, hashes of artefacts
	Tensors  []Named        // contiguous, of element types

	file *Safetensors
	lock *os.File // keeps the file from being written over
}

// StateFile is a state that a folder keeps.
type StateFile struct {
	Step int
	Path string
}

const (
	statePrefix = "step-"
	stateSuffix = ".safetensors"

	metaStep, metaDocument, metaTensors, metaSum = "quire.step", "quire.document", "quire.tensors", "quire.sum"
)

// StatePath is the file of a step in a folder.
func StatePath(dir string, step int) string {
	return filepath.Join(dir, fmt.Sprintf("%s%09d%s", statePrefix, step, stateSuffix))
}

// States lists the states of a folder, oldest step first. Files that are being written, or were when their process died, are none.
func States(dir string) ([]StateFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	var list []StateFile
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), statePrefix)
		digits, isState := strings.CutSuffix(rest, stateSuffix)
		if step, err := strconv.Atoi(digits); ok && isState && err == nil && step >= 0 && e.Type().IsRegular() {
			list = append(list, StateFile{step, filepath.Join(dir, e.Name())})
		}
	}
	slices.SortFunc(list, func(a, b StateFile) int { return a.Step - b.Step })
	return list, nil
}

// SaveState writes a state to its file in dir, whole or not at all, and then removes all but the newest keep states up to this step; keep 0 removes none.
// The one dropped last stays as a hidden file that the next is written over, unless someone has it loaded. States of later steps stay: a run that was rolled back has not lost them. It returns when the file is on the disk; see Saver for not waiting.
func SaveState(dir string, s State, keep int) error {
	if s.Step < 0 || keep < 0 {
		return fmt.Errorf("checkpoint: step %d, keep %d: want no negative numbers", s.Step, keep)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	meta, err := s.meta()
	if err != nil {
		return err
	}
	spare := filepath.Join(dir, spareFile)
	sweep(dir, spare)
	if err := writeSafetensors(StatePath(dir, s.Step), spare, meta, payloads(s.Tensors)); err != nil {
		return err
	}
	if keep == 0 {
		return nil
	}
	list, err := States(dir)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(f StateFile) bool { return f.Step > s.Step })
	for _, f := range list[:max(len(list)-keep, 0)] {
		if err := os.Rename(f.Path, spare); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	return nil
}

// spareFile is the state that was dropped last: the next one is written over it. It is hidden, and States does not list it.
const spareFile = "." + statePrefix + "spare" + tempSuffix

// sweep makes a spare of what a process left behind that died while it saved.
func sweep(dir, spare string) {
	left, _ := filepath.Glob(filepath.Join(dir, "."+statePrefix+"*"+tempSuffix))
	for _, path := range left {
		os.Rename(path, spare)
	}
}

// meta is the __metadata__ of the file.
func (s State) meta() (map[string]string, error) {
	document := s.Document
	if document == nil {
		document = jsontext.Value("null")
	}
	if !document.IsValid() {
		return nil, errors.New("checkpoint: the document of the state is no JSON")
	}
	for _, t := range s.Tensors {
		if !t.Tensor.IsContiguous() {
			return nil, fmt.Errorf("checkpoint: tensor %q of the state is %v: want it contiguous", t.Name, t.Tensor)
		}
	}
	sums := hashTensors(s.Tensors)
	hashes := make(map[string]string, len(sums))
	for i, t := range s.Tensors {
		if _, twice := hashes[t.Name]; twice {
			return nil, fmt.Errorf("checkpoint: tensor %q appears twice in the state", t.Name)
		}
		hashes[t.Name] = sums[i]
	}
	list, err := json.Marshal(hashes, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	meta := map[string]string{metaStep: strconv.Itoa(s.Step), metaDocument: string(document), metaTensors: string(list)}
	meta[metaSum] = stateSum(meta)
	return meta, nil
}

// stateSum covers what is not tensors.
func stateSum(meta map[string]string) string {
	return hexSum(xxh3.HashString128(meta[metaStep] + "\n" + meta[metaDocument] + "\n" + meta[metaTensors]))
}

// LoadState opens the newest state of a folder, or the state at path if it is a file, and checks every hash. A folder without any is an error that wraps
// fs.ErrNotExist. Tensors are views of the mapped file, read-only, until Close.
func LoadState(path string) (State, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		list, err := States(path)
		if err != nil {
			return State{}, err
		}
		if len(list) == 0 {
			return State{}, fmt.Errorf("checkpoint: %s holds no state: %w", path, fs.ErrNotExist)
		}
		path = list[len(list)-1].Path
	}
	lock, err := os.Open(path)
	if err != nil {
		return State{}, fmt.Errorf("checkpoint: %w", err)
	}
	s, err := readState(path, lock)
	if err != nil {
		return State{}, errors.Join(err, s.Close(), lock.Close())
	}
	return s, nil
}

// readState maps and checks a file; on errors what is open is in s.
func readState(path string, lock *os.File) (s State, err error) {
	if err := lockShared(lock); err != nil {
		return s, fmt.Errorf("checkpoint: %s is being replaced by a newer state", path)
	}
	if s.file, err = OpenSafetensors(path); err != nil {
		return s, err
	}
	if err := s.check(); err != nil {
		return s, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	s.lock = lock
	return s, nil
}

// check fills s from its file and holds everything against its hash.
func (s *State) check() (err error) {
	meta := s.file.Meta()
	if meta[metaSum] == "" || meta[metaSum] != stateSum(meta) {
		return errors.New("no training state, or a damaged one: the document does not have its hash; delete it to use the one before")
	}
	s.Document = jsontext.Value(meta[metaDocument])
	if s.Step, err = strconv.Atoi(meta[metaStep]); err != nil {
		return fmt.Errorf("step: %w", err)
	}
	var hashes map[string]string
	if err := json.Unmarshal([]byte(meta[metaTensors]), &hashes); err != nil {
		return fmt.Errorf("hashes: %w", err)
	}
	if len(hashes) != len(s.file.Names()) {
		return fmt.Errorf("%d tensors, %d hashes", len(s.file.Names()), len(hashes))
	}
	for _, name := range s.file.Names() {
		t, err := s.file.Tensor(name)
		if err != nil {
			return err
		}
		s.Tensors = append(s.Tensors, Named{name, t})
	}
	for i, sum := range hashTensors(s.Tensors) {
		if name := s.Tensors[i].Name; hashes[name] != sum {
			return fmt.Errorf("tensor %q is damaged: it has hash %s, was written with %s; delete the file to use the state before", name, sum, hashes[name])
		}
	}
	return nil
}

// Tensor finds a tensor of the state.
func (s State) Tensor(name string) (tensor.Tensor, error) {
	for _, t := range s.Tensors {
		if t.Name == name {
			return t.Tensor, nil
		}
	}
	return none(missing(name))
}

// Close unmaps the file of a state that LoadState gave; its tensors are gone then.
func (s State) Close() error {
	var errs []error
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
