package sysroot

import (
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// buildIDLimit bounds the notes that are looked at, in bytes; the section holds
// 16 bytes and the id itself, which is 20 bytes long.
const buildIDLimit = 4096

// buildIDOf returns the GNU build id of an ELF file below root, in hex, or "" if
// it has none.
func buildIDOf(root, name string) (string, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	file, err := dir.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it is only read
	id, err := buildID(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return id, nil
}

// buildID reads the build id's note. It is laid out as elf(5) says: three 32-bit
// sizes (name, descriptor, type), the name "GNU\0", the descriptor.
func buildID(file io.ReaderAt) (string, error) {
	f, err := elf.NewFile(file)
	if err != nil {
		return "", err
	}
	section := f.Section(".note.gnu.build-id")
	if section == nil {
		return "", nil
	}
	if section.Size > buildIDLimit {
		return "", fmt.Errorf(".note.gnu.build-id: %d bytes long", section.Size)
	}
	note, err := section.Data()
	if err != nil {
		return "", fmt.Errorf(".note.gnu.build-id: %w", err)
	}
	if len(note) < 16 || f.ByteOrder.Uint32(note) != 4 || string(note[12:16]) != "GNU\x00" {
		return "", errors.New(".note.gnu.build-id: not a GNU note")
	}
	size := f.ByteOrder.Uint32(note[4:])
	if uint64(size) > uint64(len(note)-16) {
		return "", fmt.Errorf(".note.gnu.build-id: descriptor size: %d, larger than the section", size)
	}
	return hex.EncodeToString(note[16 : 16+size]), nil
}
