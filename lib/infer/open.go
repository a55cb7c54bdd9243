package infer

import (
	"errors"
	"os"
	"path/filepath"

	"quire/lib/checkpoint"
	"quire/simd"
)

// NoPackedDir in Config.PackedDir keeps Open from writing anything.
const NoPackedDir = "none"

// Open loads a model and makes an engine for it: a Hugging Face folder (plain, AWQ or GPTQ safetensors), a GGUF file, or a llama2.c .bin file. A model without a tokenizer beside it can be
// used with token ids. The first time a model is opened its weights are packed for this machine, and kept so under Config.PackedDir; later that form is mapped. Close unmaps all.
func Open(path string, cfg Config) (*Engine, error) {
	if cfg.Backend == nil {
		cfg.Backend = simd.Default()
	}
	file, err := checkpoint.Load(path)
	if err != nil {
		return nil, err
	}
	tok, err := file.Tokenizer()
	if err != nil {
		tok = nil
	}
	m, kept, err := packModel(cfg.Backend, file, path, cfg.packedDir())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	e, err := New(m, tok, cfg)
	if err != nil {
		return nil, errors.Join(err, kept.close(), file.Close())
	}
	e.kept = kept
	e.closers = append(e.closers, kept.close, file.Close)
	return e, nil
}

// Packed waits until the packed form of the weights is on disk, if Open keeps one.
func (e *Engine) Packed() error {
	if e.kept == nil {
		return nil
	}
	return e.kept.wait()
}

// packedDir is the folder of packed models, or "".
func (cfg Config) packedDir() string {
	switch cfg.PackedDir {
	case NoPackedDir:
		return ""
	case "":
		cache, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		return filepath.Join(cache, "quire", "packed")
	}
	return cfg.PackedDir
}
