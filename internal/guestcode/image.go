package guestcode

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
)

// maxSize bounds the bytes of code and variables, which a mistake in a source
// (an array with a zero too many) should not turn into a test that swaps.
const maxSize = 1 << 20

// read takes code and symbols out of a linked file.
func read(path string) (Code, error) {
	f, err := elf.Open(path)
	if err != nil {
		return Code{}, err
	}
	defer func() { _ = f.Close() }() // it is only read
	if err := relocatable(f); err != nil {
		return Code{}, err
	}
	code := Code{Symbols: map[string]uint64{}}
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		end := p.Vaddr + p.Memsz
		if end > maxSize || p.Filesz > p.Memsz {
			return Code{}, fmt.Errorf("%d bytes of code and variables, at most %d", end, maxSize)
		}
		if grow := int(end) - len(code.Bytes); grow > 0 {
			code.Bytes = append(code.Bytes, make([]byte, grow)...)
		}
		if _, err := io.ReadFull(p.Open(), code.Bytes[p.Vaddr:p.Vaddr+p.Filesz]); err != nil {
			return Code{}, fmt.Errorf("segment at %#x: %w", p.Vaddr, err)
		}
	}
	symbols, err := f.Symbols()
	if err != nil {
		return Code{}, err
	}
	for _, s := range symbols {
		kind := elf.ST_TYPE(s.Info)
		if elf.ST_BIND(s.Info) == elf.STB_GLOBAL && (kind == elf.STT_FUNC || kind == elf.STT_OBJECT) {
			code.Symbols[s.Name] = s.Value
		}
	}
	return code, nil
}

// relocatable refuses a file that holds addresses of its own parts: it is
// linked for address 0 and will run elsewhere. The linker was told to keep the
// relocations that it has carried out. In absolute ones alone, the type says
// nothing of the place that is filled in.
func relocatable(f *elf.File) error {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA {
			continue
		}
		data, err := s.Data()
		if err != nil {
			return fmt.Errorf("section %s: %w", s.Name, err)
		}
		for ; len(data) >= 24; data = data[24:] { // Elf64_Rela: offset, info, addend
			info := binary.LittleEndian.Uint64(data[8:])
			if absolute(f.Machine, elf.R_TYPE64(info)) {
				return fmt.Errorf("the bytes at %#x are to hold an address; set the pointer in a function instead", binary.LittleEndian.Uint64(data))
			}
		}
	}
	return nil
}

// absolute tells whether a relocation's result depends on where the code runs.
// The names are those of the two processor supplements to the ELF ABI.
func absolute(machine elf.Machine, kind uint32) bool {
	if machine == elf.EM_AARCH64 {
		switch elf.R_AARCH64(kind) {
		case elf.R_AARCH64_ABS64, elf.R_AARCH64_ABS32, elf.R_AARCH64_ABS16,
			elf.R_AARCH64_MOVW_UABS_G0, elf.R_AARCH64_MOVW_UABS_G0_NC,
			elf.R_AARCH64_MOVW_UABS_G1, elf.R_AARCH64_MOVW_UABS_G1_NC,
			elf.R_AARCH64_MOVW_UABS_G2, elf.R_AARCH64_MOVW_UABS_G2_NC, elf.R_AARCH64_MOVW_UABS_G3:
			return true
		}
		return false
	}
	switch elf.R_X86_64(kind) {
	case elf.R_X86_64_64, elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_16, elf.R_X86_64_8:
		return true
	}
	return false
}
