import {
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInputType,
  parse,
  typeFromAST,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type GraphQLCompositeType,
  type GraphQLNamedType,
  type GraphQLSchema,
} from 'graphql';

/**
 * The coordinates of the schema that an operation depends on: `Type.field`, `Type.field(argument:)`,
 * `Input.field` for all that its variables may hold, and `Enum.VALUE` for all values of its enums.
 */
export function coordinatesOf(schema: GraphQLSchema, operation: string): ReadonlySet<string> {
  const coordinates = new Set<string>();
  const seen = new Set<GraphQLNamedType>();
  const addInput = (type: GraphQLNamedType): void => {
    if (seen.has(type)) return;
    seen.add(type);
    if (isEnumType(type)) for (const { name } of type.getValues()) coordinates.add(`${type.name}.${name}`);
    if (!isInputObjectType(type)) return;
    for (const field of Object.values(type.getFields())) {
      coordinates.add(`${type.name}.${field.name}`);
      addInput(getNamedType(field.type));
    }
  };
  const owners = (type: GraphQLCompositeType): readonly GraphQLNamedType[] =>
    isAbstractType(type) ? [type, ...schema.getPossibleTypes(type)] : [type];

  const info = new TypeInfo(schema);
  visit(
    parse(operation),
    visitWithTypeInfo(info, {
      Field({ name, arguments: given = [] }) {
        const field = info.getFieldDef();
        const parent = info.getParentType();
        if (!field || !parent || name.value.startsWith('__')) return;
        for (const { name: owner } of owners(parent)) {
          coordinates.add(`${owner}.${name.value}`);
          for (const argument of given) coordinates.add(`${owner}.${name.value}(${argument.name.value}:)`);
        }
        const type = getNamedType(field.type);
        if (isEnumType(type)) addInput(type);
      },
      ObjectField({ name }) {
        const parent = info.getParentInputType();
        if (parent) coordinates.add(`${getNamedType(parent).name}.${name.value}`);
      },
      EnumValue({ value }) {
        const type = info.getInputType();
        if (type) coordinates.add(`${getNamedType(type).name}.${value}`);
      },
      VariableDefinition({ type }) {
        const input = typeFromAST(schema, type);
        if (isInputType(input)) addInput(getNamedType(input));
      },
    }),
  );
  return coordinates;
}
