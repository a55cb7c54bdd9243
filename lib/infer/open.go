package infer

import (
	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/simd"
)

// Open loads a model and makes an engine for it: a Hugging Face folder (plain, AWQ or GPTQ safetensors), a GGUF file, or a llama2.c .bin file. A model without a tokenizer beside it can be
// used with token ids. Close unmaps it.
func Open(path string, cfg Config) (*Engine, error) {
	if cfg.Backend == nil {
		cfg.Backend = simd.Default()
	}
	file, err := checkpoint.Load(path)
	if err != nil {
		return nil, err
	}
	tok, _ := file.Tokenizer()
	m, err := model.New(cfg.Backend, file.Config, file.Weights)
	if err != nil {
		file.Close()
		return nil, err
	}
	e, err := New(m, tok, cfg)
	if err != nil {
		file.Close()
		return nil, err
	}
	e.closers = append(e.closers, file.Close)
	return e, nil
}
