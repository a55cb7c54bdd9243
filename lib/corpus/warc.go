package corpus

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/html/charset"
)

// warc reads Common Crawl's files (ISO 28500): the HTML of response records, the text of conversion records (WET), and resources. Other
// records hold no text and are passed over. Compressed files are one gzip member a record, which gzip readers join.
func (in *reading) warc(r io.Reader, source string) error {
	br := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		place := fmt.Sprintf("%s#%d", source, n)
		h, err := warcHeader(br)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		size, err := strconv.ParseInt(h["content-length"], 10, 64)
		if err != nil || size < 0 {
			return fmt.Errorf("record %d: content length %q: the file cannot be followed further", n, h["content-length"])
		}
		if size > maxDocument || !hasText(h["warc-type"]) {
			if _, err := io.CopyN(io.Discard, br, size); err != nil {
				return fmt.Errorf("record %d: %w", n, io.ErrUnexpectedEOF)
			}
			continue
		}
		var body bytes.Buffer
		if _, err := io.CopyN(&body, br, size); err != nil {
			return fmt.Errorf("record %d: %d of %d bytes: the file was cut off", n, body.Len(), size)
		}
		if err := in.warcRecord(h, body.Bytes(), place); err != nil {
			return err
		}
	}
}

func hasText(warcType string) bool {
	return warcType == "response" || warcType == "conversion" || warcType == "resource"
}

// warcHeader reads the next record's header, names in lower case; io.EOF at the end of the file.
func warcHeader(br *bufio.Reader) (map[string]string, error) {
	const maxHeader = 1 << 20
	h := map[string]string{}
	for size, begun := 0, false; ; {
		raw, err := br.ReadSlice('\n')
		if size += len(raw); size > maxHeader || err == bufio.ErrBufferFull {
			return nil, fmt.Errorf("header over %d bytes: not a WARC file", maxHeader)
		}
		line := strings.TrimSpace(string(raw))
		switch {
		case err == io.EOF && !begun && line == "":
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("the file ends within a header: %w", io.ErrUnexpectedEOF)
		case line == "" && begun:
			return h, nil
		case line == "": // between records
		case !begun && !strings.HasPrefix(line, "WARC/"):
			return nil, fmt.Errorf("%.40q where a record must begin with WARC/", line)
		case !begun:
			begun = true
		default:
			if name, value, ok := strings.Cut(line, ":"); ok {
				h[strings.ToLower(name)] = strings.TrimSpace(value)
			}
		}
	}
}

func (in *reading) warcRecord(h map[string]string, body []byte, place string) error {
	contentType := h["content-type"]
	if h["warc-type"] == "response" {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(body)), nil)
		if err == nil {
			contentType = resp.Header.Get("Content-Type")
			body, err = io.ReadAll(io.LimitReader(resp.Body, maxDocument))
			resp.Body.Close()
		}
		if err != nil && len(body) == 0 {
			return in.warcBad(place, "HTTP response: %v", err)
		}
		if contentType != "" && !strings.HasPrefix(contentType, "text/") && !strings.Contains(contentType, "html") {
			return nil
		}
	}
	text := string(body)
	if r, err := charset.NewReader(bytes.NewReader(body), contentType); err == nil && h["warc-type"] != "conversion" {
		if decoded, err := io.ReadAll(r); err == nil {
			text = string(decoded)
		}
	}
	meta := map[string]string{}
	for key, name := range map[string]string{"url": "warc-target-uri", "date": "warc-date", "language": "warc-identified-content-language"} {
		if v := strings.Trim(h[name], "<>"); v != "" {
			meta[key] = v
		}
	}
	if contentType != "" {
		meta["content_type"] = contentType
	}
	return in.document(Document{ID: strings.Trim(h["warc-record-id"], "<>"), Text: text, Source: place, Meta: metaJSON(meta)})
}

func (in *reading) warcBad(place, format string, args ...any) error {
	if err := in.bad(place, format, args...); err != nil {
		return emitError{err}
	}
	return nil
}
