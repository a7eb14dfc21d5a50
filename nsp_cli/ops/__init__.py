"""Operations on pictures. They know no photo, file or network."""
