package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// logitsCmd runs a model over given ids: what another implementation is compared with.
type logitsCmd struct {
	Model string `short:"m" required:"" placeholder:"PATH" help:"Model: a Hugging Face folder, a .gguf or a llama2.c .bin."`
	IDs   string `name:"ids" required:"" placeholder:"\"1 2 3\"" help:"Token ids, separated by spaces or commas."`
	Last  bool   `help:"Only the logits after the last id."`
}

// logitsOutput is what is printed: logits[i] are those of the token after ids[i].
type logitsOutput struct {
	IDs    []int32     `json:"ids"`
	Logits [][]float32 `json:"logits"`
}

// Run implements kong's command.
func (c *logitsCmd) Run() error { return c.write(os.Stdout) }

func (c *logitsCmd) write(w io.Writer) error {
	file, err := checkpoint.Load(c.Model)
	if err != nil {
		return err
	}
	defer file.Close()
	m, err := model.New(simd.Default(), file.Config, file.Weights)
	if err != nil {
		return err
	}
	ids, err := c.parse(file.Config.VocabSize, m.MaxPositions())
	if err != nil {
		return err
	}
	pos := make([]int32, len(ids))
	for i := range pos {
		pos[i] = int32(i)
	}
	hidden := m.Forward(model.Batch{IDs: tensor.FromI32(ids, len(ids)), Pos: tensor.FromI32(pos, len(pos))})
	if c.Last {
		hidden = hidden.Slice(0, len(ids)-1, len(ids))
	}
	logits := tensor.New(dtype.F32, hidden.Dim(0), file.Config.VocabSize)
	m.Logits(logits, hidden)
	out := logitsOutput{IDs: ids}
	for i := range hidden.Dim(0) {
		out.Logits = append(out.Logits, logits.Index(i).F32())
	}
	return json.NewEncoder(w).Encode(out)
}

func (c *logitsCmd) parse(vocab, most int) (ids []int32, err error) {
	for _, word := range strings.FieldsFunc(c.IDs, func(r rune) bool { return r == ' ' || r == ',' }) {
		id, err := strconv.ParseInt(word, 10, 32)
		if err != nil || id < 0 || id >= int64(vocab) {
			return nil, fmt.Errorf("logits: --ids: %q is no id of a vocabulary of %d", word, vocab)
		}
		ids = append(ids, int32(id))
	}
	if len(ids) == 0 || len(ids) > most {
		return nil, fmt.Errorf("logits: --ids: %d ids: want 1 to %d", len(ids), most)
	}
	return ids, nil
}
