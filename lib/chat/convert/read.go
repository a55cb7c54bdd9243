package convert

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
)

// maxRecord bounds one record.
const maxRecord = 64 << 20

// Format reads one record.
type Format func(record jsontext.Value) (chat.Conversation, error)

// Read gives the conversations of a file that is one JSON array of records or has a record on every line. name appears in errors.
// A record that cannot be read gives an error, and the walk goes on.
func Read(r io.Reader, name string, format Format) iter.Seq2[chat.Conversation, error] {
	return func(yield func(chat.Conversation, error) bool) {
		give := func(place string, record jsontext.Value) bool {
			c, err := format(record)
			if err != nil {
				err = fmt.Errorf("convert: %s: %s: %w", name, place, err)
			}
			return yield(c, err)
		}
		br := bufio.NewReaderSize(r, 1<<16)
		first, err := firstLine(br)
		if err != nil {
			yield(chat.Conversation{}, fmt.Errorf("convert: %s: %w", name, err))
			return
		}
		if len(first.text) > 0 && first.text[0] == '[' && !isDialogue(first.text) {
			err = readArray(io.MultiReader(bytes.NewReader(first.text), br), give)
		} else {
			err = readLines(first, br, give)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(chat.Conversation{}, fmt.Errorf("convert: %s: %w", name, err))
		}
	}
}

var errStopped = errors.New("stopped")

type line struct {
	text   []byte
	number int
}

// next reads a line without the white space around it.
func next(br *bufio.Reader, number int) (line, error) {
	var text []byte
	for {
		part, err := br.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case err == bufio.ErrBufferFull && len(text) <= maxRecord:
			continue
		case len(text) > maxRecord:
			return line{}, fmt.Errorf("line %d is longer than %d bytes", number, maxRecord)
		case err != nil && err != io.EOF:
			return line{}, fmt.Errorf("line %d: %w", number, err)
		case err == io.EOF && len(text) == 0:
			return line{}, io.EOF
		}
		return line{bytes.TrimSpace(text), number}, nil
	}
}

// firstLine skips a byte order mark and empty lines.
func firstLine(br *bufio.Reader) (line, error) {
	if mark, _ := br.Peek(3); string(mark) == "\ufeff" {
		_, _ = br.Discard(3)
	}
	for n := 1; ; n++ {
		l, err := next(br, n)
		if err == io.EOF {
			return line{nil, n}, nil
		}
		if err != nil || len(l.text) > 0 {
			return l, err
		}
	}
}

// isDialogue says whether a line is a whole list of messages rather than the beginning of a list of records.
func isDialogue(text []byte) bool {
	var list []struct {
		Role *string `json:"role"`
		From *string `json:"from"`
	}
	return json.Unmarshal(text, &list) == nil && len(list) > 0 && (list[0].Role != nil || list[0].From != nil)
}

func readLines(l line, br *bufio.Reader, give func(string, jsontext.Value) bool) error {
	for {
		if len(l.text) > 0 && !give(fmt.Sprintf("line %d", l.number), l.text) {
			return errStopped
		}
		var err error
		if l, err = next(br, l.number+1); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func readArray(r io.Reader, give func(string, jsontext.Value) bool) error {
	d := jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for n := 1; d.PeekKind() != ']'; n++ {
		v, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		if len(v) > maxRecord {
			return fmt.Errorf("record %d is longer than %d bytes", n, maxRecord)
		}
		if !give(fmt.Sprintf("record %d before byte %d", n, d.InputOffset()), v) {
			return errStopped
		}
	}
	_, err := d.ReadToken()
	return err
}

// Any recognises the format of each record by its fields.
func Any(record jsontext.Value) (chat.Conversation, error) {
	if record.Kind() == '[' {
		var list []map[string]jsontext.Value
		if json.Unmarshal(record, &list) == nil && len(list) > 0 && list[0]["from"] != nil {
			return ShareGPT(record)
		}
		return OpenAI(record)
	}
	var fields map[string]jsontext.Value
	if err := json.Unmarshal(record, &fields); err != nil {
		return chat.Conversation{}, fmt.Errorf("not a JSON object: %w", err)
	}
	for _, f := range []struct {
		field string
		read  Format
	}{{"messages", OpenAI}, {"conversation", XTuner}, {"conversations", ShareGPT}, {"instruction", Alpaca}} {
		if fields[f.field] != nil {
			return f.read(record)
		}
	}
	return chat.Conversation{}, errors.New("no known format: want a field messages (OpenAI), conversation (XTuner), conversations (ShareGPT) or instruction (alpaca)")
}
