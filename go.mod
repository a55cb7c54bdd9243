module quire

go 1.26.0

require (
	github.com/ajroetker/go-highway v0.0.12 // portable SIMD element-wise and reduction kernels
	github.com/alecthomas/kong v1.17.0 // command line
	github.com/apache/arrow/go/v17 v17.0.0 // corpus storage and tables
	github.com/bits-and-blooms/bloom/v3 v3.7.1 // Bloom filters of deduplication
	github.com/dlclark/regexp2 v1.12.0 // general regular expressions of tokenizer pre-tokenisers
	github.com/dop251/goja v0.0.0-20260917113740-793a2a65c13b // renders ECharts to SVG without a browser
	github.com/ebitengine/purego v0.11.3 // loads OpenBLAS (benchmarks) and GPU libraries at run time without cgo
	github.com/go-echarts/go-echarts/v2 v2.6.7 // charts
	github.com/go-json-experiment/json v1.27.2 // strict and fast JSON
	github.com/google/go-cmp v0.7.0 // readable differences in tests
	github.com/goplus/ixgo v1.0.0 // SSA interpreter under the cell engine
	github.com/goplus/reflectx v1.6.0 // method sets of interpreted types
	github.com/janpfeifer/gonb v0.11.1 // gonbui: the GoNB display protocol
	github.com/klauspost/compress v1.20.3 // gzip and zstd of corpora
	github.com/pierrec/lz4/v4 v4.1.21 // buffers of Arrow files that others compressed
	github.com/rogpeppe/go-internal v1.14.1 // txtar transcripts in tests
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // validates tool arguments and constrained output
	github.com/timandy/routine v1.1.5 // needed by ixgo at this version
	github.com/valyala/fastjson v1.6.10 // id and text out of JSON lines
	github.com/visualfc/funcval v0.1.4 // needed by ixgo at this version
	github.com/visualfc/goembed v0.3.4 // needed by ixgo at this version
	github.com/visualfc/xtype v0.3.0 // types between go/types and reflect
	github.com/yuin/goldmark v1.7.13 // Markdown of reports to HTML
	github.com/zeebo/xxh3 v1.1.0 // content hashes
	golang.org/x/net v0.58.0 // HTML parser of corpora
	golang.org/x/sys v0.49.0 // CPU features, process control
	golang.org/x/text v0.41.0 // Unicode normal forms
	golang.org/x/tools v0.48.0 // SSA for the cell engine
	modernc.org/sqlite v1.59.0 // history and runs, without cgo
	pgregory.net/rapid v1.3.0 // property tests
)

require (
	github.com/JohnCGriffin/overflow v0.0.0-20211019200055-46fa312c352c // indirect
	github.com/MetalBlueberry/go-plotly v0.7.0 // indirect
	github.com/andybalholm/brotli v1.1.0 // indirect
	github.com/apache/thrift v0.20.0 // indirect
	github.com/bits-and-blooms/bitset v1.24.2 // indirect
	github.com/dlclark/regexp2/v2 v2.5.2 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/go-logr/logr v1.4.2 // indirect
	github.com/go-sourcemap/sourcemap v2.1.3+incompatible // indirect
	github.com/goccy/go-json v0.10.3 // indirect
	github.com/gofrs/uuid v4.4.0+incompatible // indirect
	github.com/golang/snappy v0.0.4 // indirect
	github.com/google/flatbuffers v24.3.25+incompatible // indirect
	github.com/google/pprof v0.0.0-20261016150608-1facf8f91b50 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/asmfmt v1.3.2 // indirect
	github.com/klauspost/cpuid/v2 v2.2.10 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/minio/asm2plan9s v0.0.0-20200509001527-cdd76441f9d8 // indirect
	github.com/minio/c2goasm v0.0.0-20190812172519-36a3d3bbc4f3 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	golang.org/x/exp v0.0.0-20250106191152-7588d65b2ba8 // indirect
	golang.org/x/mod v0.39.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/telemetry v0.0.0-20260708182218-49f421fb7959 // indirect
	golang.org/x/xerrors v0.0.0-20231012003039-104605ab7028 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240227224415-6ceb2ff114de // indirect
	google.golang.org/grpc v1.63.2 // indirect
	google.golang.org/protobuf v1.34.2 // indirect
	k8s.io/klog/v2 v2.130.1 // indirect
	modernc.org/libc v1.75.7 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

exclude github.com/ajroetker/go-highway/hwy/goat v0.0.0 // required but never published
