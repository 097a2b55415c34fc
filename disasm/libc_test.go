package disasm

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"emurace/internal/testroot"
	"emurace/loader"
)

// TestLibc decodes all of the code of a real C library.
func TestLibc(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		t.Run(arch.String(), func(t *testing.T) {
			root := testroot.Dir(t, "debian:bookworm", arch.String())
			data, err := os.ReadFile(filepath.Join(root, "lib", arch.Triplet(), "libc.so.6"))
			if err != nil {
				t.Fatal(err)
			}
			file, err := elf.NewFile(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			section := file.Section(".text")
			if section == nil {
				t.Fatal("no .text")
			}
			text, err := section.Data()
			if err != nil {
				t.Fatal(err)
			}
			total, unknown := 0, 0
			for at := 0; at < len(text); total++ {
				in, err := Decode(arch, text[at:], section.Addr+uint64(at), nil)
				if err != nil {
					t.Fatal(err)
				}
				if problem := checkInst(arch, in, len(text)-at); problem != "" {
					t.Errorf("%s: %+v", problem, in)
				}
				if in.Undecoded {
					unknown++
				}
				at += in.Len
			}
			decoded := float64(total-unknown) / float64(total)
			t.Logf("%d of %d instructions decoded, %.3f%%", total-unknown, total, 100*decoded)
			if total < 200000 || decoded < 0.994 {
				t.Error("that is too few")
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		b.Run(arch.String(), func(b *testing.B) {
			list := readGolden(b, arch)
			for b.Loop() {
				for _, g := range list {
					if _, err := Decode(arch, g.code, g.addr, nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/instr")
		})
	}
}
