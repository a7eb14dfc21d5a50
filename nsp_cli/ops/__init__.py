"""Operations on pictures that know no photo, file or network."""
